"""
API v3's notifies, true or bent by a fault: JSON around an encrypted resource, signed in the headers.

Pure but for the nonces: whoever sends says what time it is on the merchant's clock.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sandbox import v3_signing
from sandbox.faults import Fault
from sandbox.keys import Keys
from sandbox.merchant import new_key
from sandbox.notice import Letter
from sandbox.notify_body import FOREIGN_APPID, FOREIGN_MCH_ID, FOREIGN_OPENID, FOREIGN_OUT_TRADE_NO
from sandbox.order import Order, Refund
from sandbox.refund_notify_body import FOREIGN_OUT_REFUND_NO, FOREIGN_TRANSACTION_ID
from sandbox.v3_transaction import REFUND_STATES, refund_resource, rfc3339, transaction

Resource = dict[str, Any]

_DONE: Final = (200, 204)
_EVENT_SPACE: Final = uuid.UUID("3a5c8c5e-51b7-5bd3-9f2a-0b1c2d3e4f50")
_FOREIGN_SIGNATURE_TYPE: Final = "WECHATPAY2-SM2-WITH-SM3"
_COUPON_FEN: Final = 1


@dataclass(frozen=True)
class V3Notice:
    """One event; `original_type` names the resource, `event` makes the notify's id the same in every sending."""

    keys: Keys
    now_s: float
    url: str
    event: str
    event_type: str
    original_type: str
    summary: str
    created_at_ms: float
    resource: Resource = field(repr=False)

    def letter(self, fault: Fault | None = None) -> Letter:
        """Return the event signed by one of WeChat's keys in force."""
        resource = msgspec.json.decode(msgspec.json.encode(self.resource))
        if fault is not None:
            _bend(resource, fault)
        letter = self._seal(self._body(resource, self.keys.merchant.api_v3_key))
        if fault is not None and fault.kind == "sign_type":
            said = fault.get("sign_type", _FOREIGN_SIGNATURE_TYPE)
            return Letter({**letter.headers, "Wechatpay-Signature-Type": said}, letter.body)
        return letter

    def forged_letter(self, fault: Fault) -> Letter:
        """Return the event spoilt in its signature, in its bytes after the signing, or in its cipher."""
        if fault.kind == "bad_cipher":
            return self._seal(self._body(self.resource, new_key()))
        body = self._body(self.resource, self.keys.merchant.api_v3_key)
        if fault.kind == "reserialised":
            letter = self._seal(body)
            return Letter(letter.headers, msgspec.json.format(body, indent=1))
        spoilt = fault.kind if fault.kind in v3_signing.SPOILT else "forge"
        return self._seal(body, spoilt)

    def read_answer(self, status: int, body: bytes) -> str:
        return "SUCCESS" if status in _DONE else f"HTTP {status}"

    def _body(self, resource: Resource, api_v3_key: str) -> bytes:
        sealed = v3_signing.encrypt(msgspec.json.encode(resource), api_v3_key, associated_data=self.original_type)
        envelope = {
            "id": str(uuid.uuid5(_EVENT_SPACE, self.event)),
            "create_time": rfc3339(self.created_at_ms),
            "resource_type": "encrypt-resource",
            "event_type": self.event_type,
            "summary": self.summary,
            "resource": {"original_type": self.original_type, **sealed},
        }
        return msgspec.json.encode(envelope)

    def _seal(self, body: bytes, spoilt: str = "") -> Letter:
        signed = v3_signing.signature_headers(self.keys.notify_pair(), body, now_s=self.now_s, spoilt=spoilt)
        return Letter({"Content-Type": "application/json", **signed}, body)


def pay_notice(order: Order, keys: Keys, *, now_s: float) -> V3Notice:
    return V3Notice(
        keys=keys,
        now_s=now_s,
        url=order.asked["notify_url"],
        event=order.transaction_id,
        event_type="TRANSACTION.SUCCESS",
        original_type="transaction",
        summary="支付成功",
        created_at_ms=order.paid_at_ms,
        resource=transaction(order, keys.merchant, "SUCCESS"),
    )


def refund_notice(order: Order, refund: Refund, keys: Keys, *, now_s: float) -> V3Notice:
    status = REFUND_STATES.get(refund.outcome, refund.outcome)
    return V3Notice(
        keys=keys,
        now_s=now_s,
        url=refund.notify_url,
        event=refund.refund_id,
        event_type=f"REFUND.{status}",
        original_type="refund",
        summary="退款成功" if status == "SUCCESS" else "退款异常",
        created_at_ms=refund.settles_at_ms,
        resource=refund_resource(order, refund, keys.merchant),
    )


# Fault kind -> the resource's own field, and what stands there if the fault does not say.
_FOREIGN: Final[Mapping[str, tuple[str, str]]] = {
    "appid": ("appid", FOREIGN_APPID),
    "mch_id": ("mchid", FOREIGN_MCH_ID),
    "out_trade_no": ("out_trade_no", FOREIGN_OUT_TRADE_NO),
    "out_refund_no": ("out_refund_no", FOREIGN_OUT_REFUND_NO),
    "transaction_id": ("transaction_id", FOREIGN_TRANSACTION_ID),
    "refund_status": ("refund_status", "ABNORMAL"),
}


def _bend(resource: Resource, fault: Fault) -> None:
    kind = fault.kind
    if kind in _FOREIGN:
        name, foreign = _FOREIGN[kind]
        resource[name] = fault.get(kind, foreign)
    elif kind == "openid":
        resource["payer"] = {"openid": fault.get("openid", FOREIGN_OPENID)}
    elif kind == "amount":
        _bend_amount(resource["amount"], fault)
    elif kind == "unknown_fields":
        resource["future_field_x"] = {"new": [1, None, "x"]}
    elif kind == "coupon":
        _add_coupon(resource, fault)


def _bend_amount(amount: dict[str, Any], fault: Fault) -> None:
    name, fault_name = ("refund", "refund_fee") if "refund" in amount else ("total", "total_fee")
    amount[name] = fault.get(fault_name, amount[name] + 1)


def _add_coupon(resource: Resource, fault: Fault) -> None:
    amount = resource["amount"]
    coupon_fee = min(fault.get("coupon_fee", _COUPON_FEN), amount["total"])
    amount["payer_total"] = amount["total"] - coupon_fee
    resource["promotion_detail"] = [{"coupon_id": "10000", "scope": "GLOBAL", "type": "NOCASH", "amount": coupon_fee}]
