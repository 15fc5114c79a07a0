"""One order and the money that went back from it: frozen values that a moment of the clock turns into states. Pure."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

PREPAY_LIFE_MS: Final = 2 * 3600 * 1000
_LINK_LIFE_MS: Final[Mapping[str, int]] = {"MWEB": 5 * 60 * 1000}
ORDER_LIFE_MS: Final = 7 * 24 * 3600 * 1000


class OrderRefused(Exception):
    """The business answer is no; `code` and `message` are WeChat's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Refund(msgspec.Struct, frozen=True, omit_defaults=True):
    """Accepted at once, but on its way until `settles_at_ms`; `outcome` is SUCCESS, CHANGE or REFUNDCLOSE. Fen."""

    out_refund_no: str
    refund_id: str
    refund_fee: int
    refund_account: str
    asked_at_ms: float
    settles_at_ms: float
    outcome: str = "SUCCESS"
    notify_url: str = ""
    api: str = "v2"

    def status(self, now_ms: float) -> str:
        """Return WeChat's refund_status."""
        return self.outcome if now_ms >= self.settles_at_ms else "PROCESSING"

    def is_closed(self, now_ms: float) -> bool:
        """Tell whether the money stayed, so that it may be refunded under another number."""
        return self.status(now_ms) == "REFUNDCLOSE"


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    `asked` holds the parameters that re-entry compares, by API v2's names whichever `api` they came by.

    `number` counts orders from 1. `expires_at_ms` 0 means without time_expire. `payer_openid` is who opened an order
    that named nobody: from then on it is his alone.
    """

    number: int
    asked: dict[str, str]
    created_at_ms: float
    prepay_id: str
    prepay_at_ms: float
    transaction_id: str = ""
    paid_at_ms: float = 0.0
    closed: bool = False
    refunds: tuple[Refund, ...] = ()
    api: str = "v2"
    expires_at_ms: float = 0.0
    payer_openid: str = ""

    @property
    def out_trade_no(self) -> str:
        return self.asked["out_trade_no"]

    @property
    def openid(self) -> str:
        """The payer's under the order's appid; empty while nobody has opened the order."""
        return self.asked.get("openid", "") or self.payer_openid

    @property
    def appid(self) -> str:
        return self.asked["appid"]

    @property
    def trade_type(self) -> str:
        return self.asked["trade_type"]

    @property
    def code_url(self) -> str:
        """What the QR code of a NATIVE order says; another one whenever the prepay_id is."""
        digest = hashlib.sha256(self.prepay_id.encode()).digest()
        return f"weixin://wxpay/bizpayurl?pr={base64.urlsafe_b64encode(digest).decode()[:11]}"

    @property
    def total_fee(self) -> int:
        """In fen."""
        return int(self.asked["total_fee"])

    @property
    def sign_type(self) -> str:
        return self.asked.get("sign_type") or "MD5"

    def trade_state(self, now_ms: float) -> str:
        if any(not refund.is_closed(now_ms) for refund in self.refunds):
            return "REFUND"
        if self.transaction_id:
            return "SUCCESS"
        if self.closed or now_ms >= self.created_at_ms + ORDER_LIFE_MS:
            return "CLOSED"
        return "NOTPAY"

    def refundable_fee(self, now_ms: float) -> int:
        """Return the fen that no refund has taken or is about to take."""
        return self.total_fee - sum(refund.refund_fee for refund in self.refunds if not refund.is_closed(now_ms))

    def is_past_time_expire(self, now_ms: float) -> bool:
        return bool(self.expires_at_ms) and now_ms > self.expires_at_ms

    def is_prepay_valid(self, now_ms: float) -> bool:
        return now_ms < self.prepay_at_ms + _LINK_LIFE_MS.get(self.trade_type, PREPAY_LIFE_MS)

    def refund(self, out_refund_no: str) -> Refund:
        """Return the refund of that number, which must be one of this order's."""
        return next(refund for refund in self.refunds if refund.out_refund_no == out_refund_no)
