"""
Orders, people and events with a default for everything, so that a test shows only what matters to it.

The default order asks for one share of 100 fen; `NOW_MS` is when it was made, and it runs for half an hour.
"""

from typing import Final

from msgspec.structs import replace

from server.domain.document import Order, Payment, new_order
from server.domain.events import (
    Event,
    Evidence,
    LeaseReleased,
    PayApi,
    PaymentConfirmed,
    PaymentStarted,
    PaymentUnpaid,
    Person,
    RefundProgressed,
    RefundRequested,
    RefundState,
    TradeState,
    TradeType,
)
from server.domain.money import Fen
from server.domain.order import apply

ORDER_ID: Final = "01K75X8QZ3M4N5P6R7S8T9V0WA"
NOW_MS: Final = 1_760_000_000_000
MINUTE_MS: Final = 60_000
EXPIRES_AT_MS: Final = NOW_MS + 30 * MINUTE_MS
LEASE_MS: Final = 2 * MINUTE_MS


def a_person(name: str = "小明") -> Person:
    """Return a friend whose openid follows from his name."""
    return Person(openid=f"openid-of-{name}", name=name, avatar=f"https://wx.qlogo.cn/{name}")


def an_order(
    *shares: int,
    order_id: str = ORDER_ID,
    initiator: Person | None = None,
    title: str = "两张电影票",
    note: str = "",
    now_ms: int = NOW_MS,
    expires_at_ms: int = EXPIRES_AT_MS,
) -> Order:
    """Return an open order that asks for these shares (fen), or for one of 100 fen."""
    return new_order(
        order_id=order_id,
        initiator=initiator or a_person("阿花"),
        title=title,
        note=note,
        shares=tuple(Fen(share) for share in shares or (100,)),
        now_ms=now_ms,
        expires_at_ms=expires_at_ms,
        earns=True,
        tells_initiator=True,
        tells_merchant=True,
    )


def after(order: Order, *events: Event, now_ms: int = NOW_MS) -> Order:
    """Return the order once all these events have happened to it at this moment."""
    for event in events:
        order = apply(order, event, now_ms=now_ms)
    return order


def attempt_no(number: int = 1) -> str:
    """Return the `out_trade_no` of the order's first, second … attempt."""
    return f"{ORDER_ID}{number:03d}"


def refund_no(number: int = 1, refund: int = 1) -> str:
    """Return the `out_refund_no` of a payment's first, second … refund."""
    return f"{attempt_no(number)}R{refund}"


def started(
    payer: str = "小明",
    *,
    lease_ms: int = LEASE_MS,
    trade_type: TradeType = TradeType.JSAPI,
    client_ip: str = "203.0.113.7",
) -> PaymentStarted:
    return PaymentStarted(payer=a_person(payer), trade_type=trade_type, client_ip=client_ip, lease_ms=lease_ms)


def an_attempt(trade_type: TradeType = TradeType.JSAPI, *, out_trade_no: str = "", api: PayApi = PayApi.V2) -> Payment:
    """Return 小明's attempt at the default order."""
    payment = after(an_order(), started(trade_type=trade_type)).payments[0]
    return replace(payment, out_trade_no=out_trade_no or payment.out_trade_no, api=api)


def released(number: int = 1) -> LeaseReleased:
    return LeaseReleased(attempt_no(number))


def paid(
    number: int = 1,
    *,
    amount: int = 100,
    transaction_id: str = "",
    openid: str = "",
    paid_at_ms: int = NOW_MS,
    evidence: Evidence = Evidence.NOTIFY,
    fee_type: str = "CNY",
    payer: Person | None = None,
) -> PaymentConfirmed:
    """Return WeChat's word that this attempt is paid; each attempt has a `transaction_id` of its own by default."""
    return PaymentConfirmed(
        out_trade_no=attempt_no(number),
        transaction_id=transaction_id or f"42000{number:03d}",
        amount=Fen(amount),
        openid=openid or (payer.openid if payer else ""),
        paid_at_ms=paid_at_ms,
        evidence=evidence,
        fee_type=fee_type,
        payer=payer,
    )


def unpaid(number: int = 1, trade_state: TradeState = TradeState.CLOSED) -> PaymentUnpaid:
    return PaymentUnpaid(attempt_no(number), trade_state)


def refund_asked(number: int | None = None, amount: int | None = None) -> RefundRequested:
    """Return the wish to have this attempt's money back, or that of all; all of it unless an amount is given."""
    return RefundRequested(
        out_trade_no=None if number is None else attempt_no(number), amount=None if amount is None else Fen(amount)
    )


def refund_is(
    state: RefundState, number: int = 1, refund: int = 1, *, refund_id: str = "5000000001"
) -> RefundProgressed:
    return RefundProgressed(out_refund_no=refund_no(number, refund), state=state, refund_id=refund_id)
