"""
The refund notify's document, true or bent by a fault. Pure but for the nonce.

It has no signature: that the merchant's key opens `req_info` is all that speaks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sandbox import flat_xml, signing
from sandbox.clock import beijing_timestamp
from sandbox.faults import Fault
from sandbox.merchant import Merchant
from sandbox.notice import Letter, read_xml_answer, xml_letter
from sandbox.notify_body import FOREIGN_APPID, FOREIGN_MCH_ID, FOREIGN_OUT_TRADE_NO
from sandbox.order import Order, Refund
from sandbox.refund_cipher import encrypt, encrypt_badly_padded

Fields = dict[str, str]

FOREIGN_OUT_REFUND_NO: Final = "FOREIGNREFUND00000000001"
FOREIGN_TRANSACTION_ID: Final = "4200000000000000000000000000"


@dataclass(frozen=True)
class RefundNotice:
    order: Order
    refund: Refund
    merchant: Merchant

    @property
    def url(self) -> str:
        return self.refund.notify_url

    def letter(self, fault: Fault | None = None) -> Letter:
        """Return the document for one sending, opened by the merchant's key."""
        outer, inner = self._outer(), self._inner()
        if fault is not None:
            _bend(outer, inner, fault)
        return _seal(outer, encrypt(_plain(inner), self.merchant.api_key))

    def forged_letter(self, fault: Fault) -> Letter:
        """Return a document nobody with the merchant's key can open."""
        plain = _plain(self._inner())
        if fault.kind == "bad_padding":
            return _seal(self._outer(), encrypt_badly_padded(plain, self.merchant.api_key))
        return _seal(self._outer(), encrypt(plain, signing.nonce()))

    def read_answer(self, status: int, body: bytes) -> str:
        return read_xml_answer(status, body)

    def _outer(self) -> Fields:
        return {
            "return_code": "SUCCESS",
            "appid": self.order.appid,
            "mch_id": self.merchant.mch_id,
            "nonce_str": signing.nonce(),
        }

    def _inner(self) -> Fields:
        order, refund = self.order, self.refund
        fields = {
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "refund_id": refund.refund_id,
            "out_refund_no": refund.out_refund_no,
            "total_fee": str(order.total_fee),
            "settlement_total_fee": str(order.total_fee),
            "refund_fee": str(refund.refund_fee),
            "settlement_refund_fee": str(refund.refund_fee),
            "refund_status": refund.outcome,
            "success_time": beijing_timestamp(refund.settles_at_ms) if refund.outcome == "SUCCESS" else "",
            "refund_recv_accout": "支付用户零钱",
            "refund_account": refund.refund_account,
            "refund_request_source": "API",
        }
        return {name: value for name, value in fields.items() if value}


def _plain(inner: Fields) -> bytes:
    return flat_xml.write(inner, root="root")


def _seal(outer: Fields, req_info: str) -> Letter:
    return xml_letter(flat_xml.write({**outer, "req_info": req_info}))


_FOREIGN_OUTER: Final[Mapping[str, str]] = {"appid": FOREIGN_APPID, "mch_id": FOREIGN_MCH_ID}
_FOREIGN_INNER: Final[Mapping[str, str]] = {
    "out_trade_no": FOREIGN_OUT_TRADE_NO,
    "out_refund_no": FOREIGN_OUT_REFUND_NO,
    "transaction_id": FOREIGN_TRANSACTION_ID,
    "refund_status": "CHANGE",
}


def _bend(outer: Fields, inner: Fields, fault: Fault) -> None:
    kind = fault.kind
    if kind in _FOREIGN_OUTER:
        outer[kind] = fault.get(kind, _FOREIGN_OUTER[kind])
    elif kind in _FOREIGN_INNER:
        inner[kind] = fault.get(kind, _FOREIGN_INNER[kind])
    elif kind == "amount":
        inner["refund_fee"] = str(fault.get("refund_fee", int(inner["refund_fee"]) + 1))
    elif kind == "unknown_fields":
        outer["future_field_x"] = inner["future_field_x"] = "new"
