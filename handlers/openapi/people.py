"""What people's pages and apps ask for."""

from typing import Final

from handlers.login import Me, Token
from handlers.long_poll import MAX_WAIT_S
from handlers.miniprogram import MiniProgramLogin
from handlers.openapi.operation import (
    ANYBODY,
    BAD_REQUEST,
    IDEMPOTENCY,
    IDEMPOTENCY_KEY,
    NOT_LOGGED_IN,
    ORDER_NOT_FOUND,
    PERSON,
    STORE,
    TOO_MANY,
    TOO_MUCH_REFUND,
    TRANSITION,
    VISITOR,
    WATCHER,
    WATCHING,
    WECHAT,
    WRITE,
    Operation,
    Parameter,
    Problem,
)
from handlers.orders import MAX_PAGE, OneOrder, OrderPage, Visitors, WatchToken
from handlers.payments import Confirmed, Started
from handlers.refunds import AskRefund
from handlers.requests import CreateOrder, Nothing, StartPayment
from handlers.scenes import Scenes
from server.domain.document import OrderState
from server.usecases.official_account import PageSignature

_READ: Final = (BAD_REQUEST, NOT_LOGGED_IN)
_READ_ORDER: Final = (*_READ, ORDER_NOT_FOUND, STORE)
_CHANGE: Final = (*WRITE, NOT_LOGGED_IN)
_CHANGE_ORDER: Final = (*_CHANGE, ORDER_NOT_FOUND, STORE)
_PAY: Final = (*_CHANGE_ORDER, TOO_MANY)
_CONTRADICTED: Final = (Problem(409, "amount_mismatch"), Problem(409, "payer_mismatch"), Problem(409, "order_conflict"))

LOGIN: Final = (
    Operation(
        method="post",
        path="/auth/miniprogram",
        tag="login",
        summary="Log in from a mini-program",
        description="A code is good once. After `login_failed` call `wx.login` again.",
        proofs=ANYBODY,
        body=MiniProgramLogin,
        status=201,
        answer=Token,
        problems=(*WRITE, Problem(400, "login_failed"), Problem(404, "no_miniprogram"), TOO_MANY, *WECHAT, STORE),
    ),
    Operation(
        method="get",
        path="/api/me",
        tag="login",
        summary="Who am I",
        proofs=PERSON,
        answer=Me,
        problems=_READ,
    ),
    Operation(
        method="post",
        path="/api/token",
        tag="login",
        summary="Make a bearer token from a session",
        proofs=PERSON,
        body=Nothing,
        is_body_optional=True,
        status=201,
        answer=Token,
        problems=_CHANGE,
    ),
    Operation(
        method="get",
        path="/api/jssdk",
        tag="login",
        summary="What a page hands to wx.config",
        proofs=PERSON,
        parameters=(Parameter("url", "query", "The page's own address; a fragment is cut off.", {"type": "string"}),),
        answer=PageSignature,
        problems=(*_READ, *WECHAT, STORE),
    ),
)

ORDERS: Final = (
    Operation(
        method="post",
        path="/api/orders",
        tag="orders",
        summary="Place an order",
        proofs=PERSON,
        parameters=(IDEMPOTENCY_KEY,),
        body=CreateOrder,
        status=201,
        answer=OneOrder,
        location=True,
        problems=(*_CHANGE, IDEMPOTENCY, TOO_MANY, STORE),
    ),
    Operation(
        method="get",
        path="/api/orders",
        tag="orders",
        summary="List my orders, newest first",
        proofs=PERSON,
        parameters=(
            Parameter("before", "query", "`next_before` of the page before.", {"type": "string"}),
            Parameter("limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}),
            Parameter(
                "state",
                "query",
                "Only those in one of these states.",
                {"type": "array", "items": {"type": "string", "enum": list(OrderState)}},
            ),
        ),
        answer=OrderPage,
        problems=(*_READ, STORE),
    ),
    Operation(
        method="get",
        path="/api/orders/{order_id}",
        tag="orders",
        summary="Read an order, or wait until it changes",
        proofs=WATCHER,
        parameters=(
            Parameter("since", "query", "The `rev` I have.", {"type": "integer", "minimum": 0}),
            Parameter(
                "wait",
                "query",
                f"How long to wait for a newer one, in seconds; at most {MAX_WAIT_S}.",
                {"type": "integer", "minimum": 0},
            ),
        ),
        answer=OneOrder,
        problems=(*_READ_ORDER, *WATCHING),
    ),
    Operation(
        method="get",
        path="/api/orders/{order_id}/events",
        tag="orders",
        summary="Watch an order by Server-Sent Events",
        description="Each `data:` line is a frame, as on the socket; a last event `close` says why it ends.",
        proofs=WATCHER,
        media=("text/event-stream",),
        problems=(*_READ_ORDER, *WATCHING),
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/watch-token",
        tag="orders",
        summary="Make a bearer token that is good for watching this order",
        proofs=PERSON,
        body=Nothing,
        is_body_optional=True,
        status=201,
        answer=WatchToken,
        problems=_CHANGE_ORDER,
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/shared",
        tag="orders",
        summary="Say that the initiator took the link",
        description="For the statistics. The initiator only.",
        proofs=PERSON,
        body=Nothing,
        is_body_optional=True,
        status=204,
        problems=_CHANGE_ORDER,
    ),
    Operation(
        method="get",
        path="/api/orders/{order_id}/visitors",
        tag="orders",
        summary="Who opened the link",
        description="The initiator only.",
        proofs=PERSON,
        answer=Visitors,
        problems=_READ_ORDER,
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/close",
        tag="orders",
        summary="Close an order",
        description="The initiator only.",
        proofs=PERSON,
        body=Nothing,
        is_body_optional=True,
        answer=OneOrder,
        problems=(*_CHANGE_ORDER, TRANSITION),
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/refund",
        tag="orders",
        summary="Give money back",
        description="The initiator only. A part (`amount`) needs an Idempotency-Key.",
        proofs=PERSON,
        parameters=(IDEMPOTENCY_KEY,),
        body=AskRefund,
        is_body_optional=True,
        answer=OneOrder,
        problems=(*_PAY, TRANSITION, IDEMPOTENCY, *TOO_MUCH_REFUND),
    ),
    Operation(
        method="get",
        path="/api/orders/{order_id}/qr.svg",
        tag="orders",
        summary="The share link as a QR code",
        proofs=VISITOR,
        media=("image/svg+xml",),
        problems=(*_READ, ORDER_NOT_FOUND),
    ),
)

PAYMENTS: Final = (
    Operation(
        method="get",
        path="/api/scenes",
        tag="payments",
        summary="How I can pay here",
        proofs=VISITOR,
        answer=Scenes,
        problems=_READ,
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/payments",
        tag="payments",
        summary="Start a payment, or get the one that has begun",
        proofs=VISITOR,
        body=StartPayment,
        status=201,
        answer=Started,
        problems=(
            *_PAY,
            *WECHAT,
            Problem(409, "order_not_payable"),
            Problem(409, "share_leased"),
            Problem(409, "too_many_attempts"),
            TRANSITION,
        ),
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/payments/{out_trade_no}/confirm",
        tag="payments",
        summary='The page says "ok": ask WeChat',
        proofs=VISITOR,
        body=Nothing,
        is_body_optional=True,
        answer=Confirmed,
        problems=(*_PAY, *WECHAT, *_CONTRADICTED),
    ),
    Operation(
        method="post",
        path="/api/orders/{order_id}/payments/{out_trade_no}/cancel",
        tag="payments",
        summary="The friend left the cashier: give his share free",
        proofs=VISITOR,
        body=Nothing,
        is_body_optional=True,
        answer=Confirmed,
        problems=_CHANGE_ORDER,
    ),
    Operation(
        method="get",
        path="/api/orders/{order_id}/payments/{out_trade_no}/qr.{kind}",
        tag="payments",
        summary="The code of one's own NATIVE payment, to be scanned with WeChat",
        proofs=VISITOR,
        media=("image/svg+xml", "image/png"),
        problems=(*_READ_ORDER, Problem(404, "not_found"), Problem(409, "order_not_payable"), *WECHAT),
    ),
)
