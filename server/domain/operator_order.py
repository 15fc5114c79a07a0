"""An order as the operator sees it: every payment with its evidence, every effect, and of openids only the ends."""

from typing import Final

from msgspec import Struct

from server.domain.document import Balance, Entry, Order, OrderState, Payment, Refund, balance
from server.domain.effects import Effect
from server.domain.events import Evidence, Person, TradeState, TradeType
from server.domain.money import Fen

_END: Final = 4


class OperatorPerson(Struct, frozen=True):
    name: str
    openid: str  # shortened


class OperatorPayment(Struct, frozen=True, kw_only=True):
    """`paid_at_ms` is WeChat's time of success, `settled_at_ms` ours."""

    out_trade_no: str
    payer: OperatorPerson
    amount: Fen
    share: int | None
    left: Fen
    trade_type: TradeType
    trade_state: TradeState
    transaction_id: str
    evidence: Evidence | None
    created_at_ms: int
    paid_at_ms: int | None
    settled_at_ms: int | None
    refunds: tuple[Refund, ...]


class OperatorEffect(Struct, frozen=True, kw_only=True):
    key: str
    due_at_ms: int
    tries: int
    reason: str
    parked: bool


class OperatorOrder(Struct, frozen=True, kw_only=True):
    """Money in fen, times in Unix milliseconds."""

    order_id: str
    title: str
    note: str
    amount: Fen
    shares: tuple[Fen, ...]
    state: OrderState
    rev: int
    created_at_ms: int
    expires_at_ms: int
    paid_at_ms: int | None
    closed_at_ms: int | None
    initiator: OperatorPerson
    balance: Balance
    payments: tuple[OperatorPayment, ...]
    effects: tuple[OperatorEffect, ...]
    entries: tuple[Entry, ...]


def operator_order(order: Order) -> OperatorOrder:
    """Return what the operator may see of the order."""
    return OperatorOrder(
        order_id=order.order_id,
        title=order.title,
        note=order.note,
        amount=order.amount,
        shares=order.shares,
        state=order.state,
        rev=order.rev,
        created_at_ms=order.created_at_ms,
        expires_at_ms=order.expires_at_ms,
        paid_at_ms=order.paid_at_ms,
        closed_at_ms=order.closed_at_ms,
        initiator=_person(order.initiator),
        balance=balance(order),
        payments=tuple(_payment(payment) for payment in order.payments),
        effects=tuple(_effect(effect) for effect in order.effects),
        entries=order.entries,
    )


def shortened(openid: str) -> str:
    """Return enough of an openid to tell two people apart, and not enough to be taken for either."""
    return f"{openid[:_END]}…{openid[-_END:]}" if len(openid) >= 4 * _END else f"…{openid[-2:]}"


def _person(person: Person) -> OperatorPerson:
    return OperatorPerson(person.name, shortened(person.openid))


def _payment(payment: Payment) -> OperatorPayment:
    return OperatorPayment(
        out_trade_no=payment.out_trade_no,
        payer=_person(payment.payer),
        amount=payment.amount,
        share=payment.share,
        left=payment.left,
        trade_type=payment.trade_type,
        trade_state=payment.trade_state,
        transaction_id=payment.transaction_id,
        evidence=payment.evidence,
        created_at_ms=payment.created_at_ms,
        paid_at_ms=payment.paid_at_ms,
        settled_at_ms=payment.settled_at_ms,
        refunds=payment.refunds,
    )


def _effect(effect: Effect) -> OperatorEffect:
    return OperatorEffect(
        key=effect.key,
        due_at_ms=effect.due_at_ms,
        tries=effect.tries,
        reason=effect.reason,
        parked=effect.parked,
    )
