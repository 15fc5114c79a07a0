"""One payment as API v3's notify and query both describe it."""

from msgspec import Struct

from server.domain.events import Evidence, PaymentConfirmed
from server.domain.money import Fen
from server.errors import MalformedNotify
from server.wechat.account import trade_type_of
from server.wechat.beijing import from_rfc3339
from server.wechat.v3_json import Currency, FenAmount, OpenId, OutTradeNo, WeChatNumber


class Amount(Struct, frozen=True):
    """`total` is what we asked for; what the payer paid is less where he used a coupon, and says nothing here."""

    total: FenAmount
    currency: Currency = "CNY"


class Payer(Struct, frozen=True):
    openid: OpenId


class Transaction(Struct, frozen=True):
    """What is not among the first four is promised of a paid one only."""

    mchid: str
    appid: str
    out_trade_no: OutTradeNo
    trade_state: str
    trade_type: str = ""
    transaction_id: WeChatNumber | None = None
    success_time: str = ""
    payer: Payer | None = None
    amount: Amount | None = None


def paid_payment(transaction: Transaction, evidence: Evidence) -> PaymentConfirmed:
    """
    Return what is said of a paid payment.

    Raises:
        MalformedNotify: A field is missing or not of its form; the reason is its name.
    """
    if transaction.transaction_id is None:
        raise MalformedNotify("transaction_id")
    if transaction.amount is None:
        raise MalformedNotify("amount")
    if transaction.payer is None:
        raise MalformedNotify("payer")
    try:
        paid_at_ms = from_rfc3339(transaction.success_time)
    except ValueError:
        raise MalformedNotify("success_time") from None
    return PaymentConfirmed(
        out_trade_no=transaction.out_trade_no,
        transaction_id=transaction.transaction_id,
        amount=Fen(transaction.amount.total),
        openid=transaction.payer.openid,
        paid_at_ms=paid_at_ms,
        evidence=evidence,
        fee_type=transaction.amount.currency,
        trade_type=trade_type_of(transaction.trade_type),
    )
