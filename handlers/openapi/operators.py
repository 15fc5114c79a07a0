"""What the operator's dashboard asks for, and what machines ask that watch over the server."""

from typing import Final

from handlers.dashboard import Done, Password
from handlers.openapi.operation import (
    ANYBODY,
    BAD_REQUEST,
    IDEMPOTENCY,
    IDEMPOTENCY_KEY,
    OPERATOR,
    ORDER_NOT_FOUND,
    STORE,
    TOO_MUCH_REFUND,
    TRANSITION,
    WECHAT,
    WRITE,
    Operation,
    Parameter,
    Problem,
)
from handlers.operator_orders import OneOperatorOrder, RefundAgain, Retry, SettledByHand
from handlers.operator_webhooks import Endpoints, OneDelivery, OrderDeliveries, Resend, ResendParked, Resent
from handlers.ops import Health
from handlers.refunds import AskRefund
from handlers.requests import Nothing
from server.domain.stats import Report

_REFUSED: Final = Problem(403, "operator_refused")
_STANDING: Final = (Problem(401, "operator_login"), _REFUSED)
_READ: Final = (BAD_REQUEST, *_STANDING, STORE)
_CHANGE: Final = (*WRITE, *_STANDING, ORDER_NOT_FOUND, STORE)
_DAYS: Final = tuple(
    Parameter(name, "query", f"The {which} day, in Beijing.", {"type": "string", "format": "date"})
    for name, which in (("from", "first"), ("to", "last"))
)

DASHBOARD: Final = (
    Operation(
        method="post",
        path="/admin/login",
        tag="operator",
        summary="Log in with the operator's password",
        proofs=ANYBODY,
        body=Password,
        answer=Done,
        problems=(*WRITE, _REFUSED, Problem(403, "wrong_password"), Problem(429, "too_many_tries")),
    ),
    Operation(
        method="post",
        path="/admin/logout",
        tag="operator",
        summary="Log out",
        proofs=ANYBODY,
        body=Nothing,
        is_body_optional=True,
        answer=Done,
        problems=WRITE,
    ),
    Operation(
        method="get",
        path="/api/stats",
        tag="operator",
        summary="The statistics of some days",
        proofs=OPERATOR,
        parameters=_DAYS,
        answer=Report,
        problems=_READ,
    ),
    Operation(
        method="get",
        path="/api/stats.csv",
        tag="operator",
        summary="The statistics, a row for each day",
        proofs=OPERATOR,
        parameters=_DAYS,
        media=("text/csv",),
        problems=_READ,
    ),
    Operation(
        method="get",
        path="/api/admin/orders/{number}",
        tag="operator",
        summary="The whole story of an order",
        proofs=OPERATOR,
        answer=OneOperatorOrder,
        problems=(*_READ, ORDER_NOT_FOUND),
    ),
    Operation(
        method="post",
        path="/api/admin/orders/{order_id}/retry",
        tag="operator",
        summary="Run a parked effect now",
        proofs=OPERATOR,
        body=Retry,
        answer=OneOperatorOrder,
        problems=(*_CHANGE, TRANSITION, Problem(409, "order_conflict")),
    ),
    Operation(
        method="post",
        path="/api/admin/orders/{order_id}/close",
        tag="operator",
        summary="Close an order",
        proofs=OPERATOR,
        body=Nothing,
        is_body_optional=True,
        answer=OneOperatorOrder,
        problems=(*_CHANGE, TRANSITION),
    ),
    Operation(
        method="post",
        path="/api/admin/orders/{order_id}/refund",
        tag="operator",
        summary="Give money back",
        description="A part (`amount`) needs an Idempotency-Key.",
        proofs=OPERATOR,
        parameters=(IDEMPOTENCY_KEY,),
        body=AskRefund,
        is_body_optional=True,
        answer=OneOperatorOrder,
        problems=(*_CHANGE, TRANSITION, IDEMPOTENCY, *TOO_MUCH_REFUND),
    ),
    Operation(
        method="post",
        path="/api/admin/orders/{order_id}/refund-again",
        tag="operator",
        summary="Pay a refund that WeChat closed under a new number",
        description="WeChat is asked first. A repeat pays nothing more.",
        proofs=OPERATOR,
        body=RefundAgain,
        answer=OneOperatorOrder,
        problems=(*_CHANGE, *WECHAT, Problem(409, "refund_not_closed"), Problem(409, "too_many_refunds")),
    ),
    Operation(
        method="post",
        path="/api/admin/orders/{order_id}/settled-by-hand",
        tag="operator",
        summary="Write down that a stuck refund was paid outside WeChat",
        description="WeChat is asked first. The first `note` stays, as the evidence.",
        proofs=OPERATOR,
        body=SettledByHand,
        answer=OneOperatorOrder,
        problems=(*_CHANGE, *WECHAT, Problem(409, "refund_not_stuck")),
    ),
    Operation(
        method="get",
        path="/api/admin/orders/{order_id}/webhooks",
        tag="operator",
        summary="What the merchant was told of an order",
        proofs=OPERATOR,
        answer=OrderDeliveries,
        problems=(*_READ, ORDER_NOT_FOUND),
    ),
    Operation(
        method="get",
        path="/api/admin/webhooks",
        tag="operator",
        summary="How the merchant's endpoints stand",
        proofs=OPERATOR,
        answer=Endpoints,
        problems=_READ,
    ),
    Operation(
        method="post",
        path="/api/admin/webhooks/resend",
        tag="operator",
        summary="Send an event again",
        proofs=OPERATOR,
        body=Resend,
        answer=OneDelivery,
        problems=(*WRITE, *_STANDING, Problem(404, "delivery_not_found"), STORE),
    ),
    Operation(
        method="post",
        path="/api/admin/webhooks/resend-parked",
        tag="operator",
        summary="Send everything an endpoint missed",
        proofs=OPERATOR,
        body=ResendParked,
        answer=Resent,
        problems=(*WRITE, *_STANDING, STORE),
    ),
)

KEEPERS: Final = (
    Operation(
        method="get",
        path="/healthz",
        tag="machines",
        summary="Does the process answer",
        proofs=ANYBODY,
        answer=Health,
    ),
    Operation(
        method="get",
        path="/readyz",
        tag="machines",
        summary="Can it work",
        proofs=ANYBODY,
        answer=Health,
        problems=(STORE, Problem(503, "draining"), Problem(503, "bus_deaf")),
    ),
    Operation(
        method="get",
        path="/metrics",
        tag="machines",
        summary="What it counts and measures, for Prometheus",
        description="From this machine alone, unless METRICS_PORT gives it a port of its own.",
        proofs=ANYBODY,
        media=("text/plain",),
        problems=(Problem(404, "not_found"),),
    ),
    Operation(
        method="get",
        path="/openapi.json",
        tag="machines",
        summary="This description",
        proofs=ANYBODY,
    ),
)
