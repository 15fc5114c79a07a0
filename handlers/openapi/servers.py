"""What the merchant's own server asks for."""

from typing import Final

from handlers.merchant import MAX_PAGE, ORDER_NO, CreateMerchantOrder, MerchantOrderPage, OneMerchantOrder
from handlers.openapi.operation import (
    BAD_REQUEST,
    IDEMPOTENCY,
    IDEMPOTENCY_KEY,
    MERCHANT,
    ORDER_NOT_FOUND,
    STORE,
    TOO_MANY,
    TOO_MUCH_REFUND,
    TRANSITION,
    WRITE,
    Operation,
    Parameter,
    Problem,
)
from handlers.refunds import AskRefund
from handlers.requests import Nothing
from server.domain.document import OrderState

_KEY: Final = (Problem(401, "merchant_key_required"), Problem(403, "scope_missing"), TOO_MANY, STORE)
_TIME_MS: Final = {"type": "integer", "minimum": 0}

ORDERS: Final = (
    Operation(
        method="post",
        path="/merchant/v1/orders",
        tag="merchant",
        summary="Place an order under a number of my own",
        description="Scope `orders:write`. The same number and body again give the same order.",
        proofs=MERCHANT,
        parameters=(IDEMPOTENCY_KEY,),
        body=CreateMerchantOrder,
        status=201,
        answer=OneMerchantOrder,
        location=True,
        problems=(*WRITE, *_KEY, IDEMPOTENCY, Problem(409, "merchant_order_no_taken")),
    ),
    Operation(
        method="get",
        path="/merchant/v1/orders",
        tag="merchant",
        summary="List orders, newest first",
        description="Scope `orders:read`.",
        proofs=MERCHANT,
        parameters=(
            Parameter("state", "query", "Only those in this state.", {"type": "string", "enum": list(OrderState)}),
            Parameter("created_from_ms", "query", "Made at or after this time.", _TIME_MS),
            Parameter("created_to_ms", "query", "Made before this time.", _TIME_MS),
            Parameter(
                "merchant_order_no",
                "query",
                "The one with this number.",
                {"type": "string", "pattern": f"^{ORDER_NO}$"},
            ),
            Parameter("before", "query", "`next_before` of the page before.", {"type": "string"}),
            Parameter("limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}),
        ),
        answer=MerchantOrderPage,
        problems=(BAD_REQUEST, *_KEY),
    ),
    Operation(
        method="get",
        path="/merchant/v1/orders/{order_id}",
        tag="merchant",
        summary="Read an order",
        description="Scope `orders:read`.",
        proofs=MERCHANT,
        answer=OneMerchantOrder,
        problems=(BAD_REQUEST, *_KEY, ORDER_NOT_FOUND),
    ),
    Operation(
        method="post",
        path="/merchant/v1/orders/{order_id}/close",
        tag="merchant",
        summary="Close an order",
        description="Scope `orders:write`. At once, or when WeChat has closed what friends could still pay.",
        proofs=MERCHANT,
        body=Nothing,
        is_body_optional=True,
        answer=OneMerchantOrder,
        problems=(*WRITE, *_KEY, ORDER_NOT_FOUND, TRANSITION),
    ),
    Operation(
        method="post",
        path="/merchant/v1/orders/{order_id}/refund",
        tag="merchant",
        summary="Give money back",
        description="Scope `refunds:write`. A part (`amount`) needs an Idempotency-Key.",
        proofs=MERCHANT,
        parameters=(IDEMPOTENCY_KEY,),
        body=AskRefund,
        is_body_optional=True,
        answer=OneMerchantOrder,
        problems=(*WRITE, *_KEY, ORDER_NOT_FOUND, TRANSITION, IDEMPOTENCY, *TOO_MUCH_REFUND),
    ),
)
