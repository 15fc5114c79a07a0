"""One paid payment as notify and query both describe it: signed text in, checked values out."""

import re
from collections.abc import Mapping
from typing import Final

from server.domain.events import Evidence, PaymentConfirmed
from server.domain.money import Fen
from server.errors import MalformedNotify
from server.wechat.beijing import from_beijing

_PATTERNS: Final = {
    "out_trade_no": re.compile(r"[0-9A-Za-z_|*@-]{6,32}"),
    "transaction_id": re.compile(r"[0-9A-Za-z_-]{1,32}"),
    # ASCII digits and no leading zero: int() alone reads "１", " 1", "+1" and "1_00" as well.
    "total_fee": re.compile(r"[1-9][0-9]{0,9}"),
    "fee_type": re.compile(r"[A-Z]{3}"),
    "openid": re.compile(r"[0-9A-Za-z_-]{1,128}"),
}


def paid_payment(fields: Mapping[str, str], evidence: Evidence) -> PaymentConfirmed:
    """
    Return what these fields, whose signature holds, say of a paid payment.

    `amount` is `total_fee`, what we asked for; `cash_fee` is less when the payer used a coupon and says nothing here.

    Raises:
        MalformedNotify: A field is missing or not of its form; the reason is its name.
    """
    return PaymentConfirmed(
        out_trade_no=_field(fields, "out_trade_no"),
        transaction_id=_field(fields, "transaction_id"),
        amount=Fen(int(_field(fields, "total_fee"))),
        openid=_field(fields, "openid"),
        paid_at_ms=_time_end(fields),
        evidence=evidence,
        fee_type=_field(fields, "fee_type") if fields.get("fee_type") else "CNY",
    )


def _field(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not _PATTERNS[name].fullmatch(value):
        raise MalformedNotify(name)
    return value


def _time_end(fields: Mapping[str, str]) -> int:
    try:
        return from_beijing(fields.get("time_end", ""))
    except ValueError:
        raise MalformedNotify("time_end") from None
