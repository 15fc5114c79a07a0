"""The pay notify's document, true or bent by a fault. Pure but for the nonce."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sandbox import flat_xml, signing
from sandbox.clock import beijing_time
from sandbox.faults import Fault
from sandbox.merchant import Merchant
from sandbox.notice import Letter, read_xml_answer, xml_letter
from sandbox.order import Order

Fields = dict[str, str]

FOREIGN_APPID: Final = "wx0000000000000000"
FOREIGN_MCH_ID: Final = "1000000001"
FOREIGN_OPENID: Final = "oForeignForeignForeignForeig"
FOREIGN_OUT_TRADE_NO: Final = "FOREIGN0000000000000000001"
_COUPON_FEN: Final = 1


@dataclass(frozen=True)
class PayNotice:
    order: Order
    merchant: Merchant

    @property
    def url(self) -> str:
        return self.order.asked["notify_url"]

    def letter(self, fault: Fault | None = None) -> Letter:
        """Return the document for one sending, signed by the order's sign type with the merchant's key."""
        fields = self._fields()
        if fault is not None and fault.kind in _BENT:
            _BENT[fault.kind](fields, fault)
        said = fields.get("sign_type")
        sign_type = said if said in signing.SIGN_TYPES else self.order.sign_type
        return _letter(fields, self.merchant.api_key, sign_type)

    def forged_letter(self, fault: Fault) -> Letter:
        """Return a document whose signature has the right length and was made without the merchant's key."""
        return _letter(self._fields(), signing.nonce(), self.order.sign_type)

    def read_answer(self, status: int, body: bytes) -> str:
        return read_xml_answer(status, body)

    def _fields(self) -> Fields:
        order = self.order
        fields = {
            "return_code": "SUCCESS",
            "appid": order.appid,
            "mch_id": self.merchant.mch_id,
            "device_info": order.asked.get("device_info", ""),
            "nonce_str": signing.nonce(),
            "sign_type": order.asked.get("sign_type", ""),
            "result_code": "SUCCESS",
            "openid": order.openid,
            "is_subscribe": "N",
            "trade_type": order.asked["trade_type"],
            "bank_type": "OTHERS",
            "total_fee": str(order.total_fee),
            "fee_type": "CNY",
            "cash_fee": str(order.total_fee),
            "transaction_id": order.transaction_id,
            "out_trade_no": order.out_trade_no,
            "attach": order.asked.get("attach", ""),
            "time_end": beijing_time(order.paid_at_ms),
        }
        return {name: value for name, value in fields.items() if value}


def _letter(fields: Fields, api_key: str, sign_type: str) -> Letter:
    return xml_letter(flat_xml.write({**fields, "sign": signing.sign(fields, api_key, sign_type)}))


def _bend_amount(fields: Fields, fault: Fault) -> None:
    fields["total_fee"] = str(fault.get("total_fee", int(fields["total_fee"]) + 1))


def _bend_to(name: str, foreign: str) -> Callable[[Fields, Fault], None]:
    def bend(fields: Fields, fault: Fault) -> None:
        fields[name] = fault.get(name, foreign)

    return bend


def _add_unknown_fields(fields: Fields, fault: Fault) -> None:
    fields.update(future_field_x="new", promotion_detail='{"promotion_detail":[]}', version="1.0", rate_value="0.60%")


def _add_coupon(fields: Fields, fault: Fault) -> None:
    total_fee = int(fields["total_fee"])
    coupon_fee = min(fault.get("coupon_fee", _COUPON_FEN), total_fee)
    fields.update(
        cash_fee=str(total_fee - coupon_fee),
        cash_fee_type="CNY",
        settlement_total_fee=str(total_fee - coupon_fee),
        coupon_fee=str(coupon_fee),
        coupon_count="1",
        coupon_type_0="NO_CASH",
        coupon_id_0="10000",
        coupon_fee_0=str(coupon_fee),
    )


def _swap_sign_type(fields: Fields, fault: Fault) -> None:
    """Say and use another algorithm; say nothing for "", say an unknown word and use the order's."""
    other = signing.MD5 if fields.get("sign_type") == signing.HMAC_SHA256 else signing.HMAC_SHA256
    fields["sign_type"] = fault.get("sign_type", other)
    if not fields["sign_type"]:
        del fields["sign_type"]


_BENT: Final[Mapping[str, Callable[[Fields, Fault], None]]] = {
    "amount": _bend_amount,
    "appid": _bend_to("appid", FOREIGN_APPID),
    "mch_id": _bend_to("mch_id", FOREIGN_MCH_ID),
    "openid": _bend_to("openid", FOREIGN_OPENID),
    "out_trade_no": _bend_to("out_trade_no", FOREIGN_OUT_TRADE_NO),
    "unknown_fields": _add_unknown_fields,
    "coupon": _add_coupon,
    "sign_type": _swap_sign_type,
}
