"""How an error becomes an answer: one table from our errors to HTTP statuses and the codes clients read."""

from typing import Final

from msgspec import Struct
from tornado.web import HTTPError

from handlers.requests import BadRequest
from server.errors import (
    AmountMismatch,
    ConfigError,
    DeliveryNotFound,
    IdempotencyMismatch,
    IllegalTransition,
    LoginError,
    MerchantOrderNoTaken,
    OrderError,
    OrderNotFound,
    OrderNotPayable,
    PayerMismatch,
    PayError,
    RefundNotClosed,
    RefundNotStuck,
    RefundTooLarge,
    ShareLeased,
    StoreError,
    TooManyAttempts,
    TooManyRefunds,
    UnknownAttempt,
    WeChatError,
    WeChatRefused,
)

# Nearest class first. A bug is in no row and stays a 500.
STATUS: Final[tuple[tuple[type[PayError], int, str], ...]] = (
    (OrderNotFound, 404, "order_not_found"),
    (UnknownAttempt, 404, "order_not_found"),
    (OrderNotPayable, 409, "order_not_payable"),
    (ShareLeased, 409, "share_leased"),
    (TooManyAttempts, 409, "too_many_attempts"),
    (IdempotencyMismatch, 409, "idempotency_mismatch"),
    (MerchantOrderNoTaken, 409, "merchant_order_no_taken"),
    (RefundTooLarge, 409, "refund_too_large"),
    (TooManyRefunds, 409, "too_many_refunds"),
    (RefundNotClosed, 409, "refund_not_closed"),
    (RefundNotStuck, 409, "refund_not_stuck"),
    (AmountMismatch, 409, "amount_mismatch"),
    (PayerMismatch, 409, "payer_mismatch"),
    (IllegalTransition, 409, "transition_not_possible"),
    (OrderError, 409, "order_conflict"),
    (DeliveryNotFound, 404, "delivery_not_found"),
    (WeChatRefused, 502, "wechat_refused"),
    (WeChatError, 502, "wechat_unavailable"),
    (LoginError, 400, "login_failed"),
    (StoreError, 503, "store_unavailable"),
    (ConfigError, 500, "internal"),
    (PayError, 500, "internal"),
)

# What an error may tell of itself to a client.
_PUBLIC_FACTS: Final = ("order_id", "state", "retry_after_s", "limit", "code", "field", "asked", "left")


class ApiError(HTTPError):
    """An answer with this status and error code."""

    def __init__(self, status: int, code: str, **detail: object) -> None:
        super().__init__(status)
        self.code = code
        self.detail = detail


class ErrorBody(Struct, frozen=True):
    code: str
    message: str
    detail: dict[str, object]


def describe(error: BaseException | None, status: int) -> tuple[int, str, dict[str, object]]:
    """Return status, code and public detail of an error."""
    if isinstance(error, BadRequest):
        return 400, "bad_request", error.detail
    if isinstance(error, ApiError):
        return error.status_code, error.code, error.detail
    if isinstance(error, PayError):
        for kind, kind_status, code in STATUS:
            if isinstance(error, kind):
                facts = {name: getattr(error, name) for name in _PUBLIC_FACTS if hasattr(error, name)}
                return kind_status, code, facts
    codes = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large", 403: "foreign_origin"}
    if status in codes:
        return status, codes[status], {}
    if status == 400:  # Tornado could not read the address or the body
        return status, "bad_request", {"field": "request", "reason": "unreadable"}
    return status, "internal", {}
