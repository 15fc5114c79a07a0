"""One paid payment as notify and query both describe it: signed text in, checked values out."""

from collections.abc import Mapping

from server.domain.events import Evidence, PaymentConfirmed
from server.errors import MalformedNotify
from server.wechat.account import trade_type_of
from server.wechat.beijing import from_beijing
from server.wechat.v2_fields import checked, fen


def paid_payment(fields: Mapping[str, str], evidence: Evidence) -> PaymentConfirmed:
    """
    Return what these fields, whose signature holds, say of a paid payment.

    `amount` is `total_fee`, what we asked for; `cash_fee` is less when the payer used a coupon and says nothing here.

    Raises:
        MalformedNotify: A field is missing or not of its form; the reason is its name.
    """
    return PaymentConfirmed(
        out_trade_no=checked(fields, "out_trade_no"),
        transaction_id=checked(fields, "transaction_id"),
        amount=fen(fields, "total_fee"),
        openid=checked(fields, "openid"),
        paid_at_ms=_time_end(fields),
        evidence=evidence,
        fee_type=checked(fields, "fee_type") if fields.get("fee_type") else "CNY",
        trade_type=trade_type_of(fields.get("trade_type", "")),
    )


def _time_end(fields: Mapping[str, str]) -> int:
    try:
        return from_beijing(fields.get("time_end", ""))
    except ValueError:
        raise MalformedNotify("time_end") from None
