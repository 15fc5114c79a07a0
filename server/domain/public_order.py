"""
An order as one person may see it: display names, never openids, and nothing of the effects.

Two people with the same `viewer_key` see the same bytes, so that what is encoded once can be sent to all of them.
"""

from typing import Final, Literal

from msgspec import Struct

from server.domain.document import Order, OrderState, Payment
from server.domain.events import RefundState, TradeState, TradeType
from server.domain.money import Fen

Role = Literal["initiator", "payer", "friend"]

INITIATOR: Final = "initiator"
FRIEND: Final = "friend"


class PublicPerson(Struct, frozen=True):
    name: str
    avatar: str


class PublicRefund(Struct, frozen=True):
    """
    All refunds of one payment taken together; `state` is the one that is furthest from done.

    To people, money that a person has to see to is ABNORMAL, and money they have is SUCCESS, by whatever way it came.
    """

    amount: Fen
    state: RefundState
    reason: str
    refunded_at_ms: int | None


class PublicPayment(Struct, frozen=True, kw_only=True):
    """
    `share` is an index into `share_amounts` or null; `trade_type` is told only to who began or paid it, and
    `out_trade_no` also to the initiator, who gives money back by it. A payer nobody knows by name has the name "".

    `my_points` is what it earned whoever looks: the initiator, or the payer himself.
    """

    payer: PublicPerson
    amount: Fen
    share: int | None
    trade_state: TradeState
    lease_until_ms: int
    paid_at_ms: int | None
    refund: PublicRefund | None
    mine: bool
    out_trade_no: str | None
    trade_type: TradeType | None
    my_points: int


class PublicEntry(Struct, frozen=True):
    kind: str
    at_ms: int
    name: str
    amount: int


class PublicOrder(Struct, frozen=True, kw_only=True):
    """Money in fen, times in Unix milliseconds. `shares` counts, `share_amounts` says how much each one is."""

    order_id: str
    title: str
    note: str
    amount: Fen
    shares: int
    share_amounts: tuple[Fen, ...]
    paid_shares: int
    paid_amount: Fen
    state: OrderState
    rev: int
    created_at_ms: int
    expires_at_ms: int
    paid_at_ms: int | None
    initiator: PublicPerson
    payments: tuple[PublicPayment, ...]
    events: tuple[PublicEntry, ...]
    my_role: Role


def payers_of(order: Order) -> frozenset[str]:
    """Return the openids of all who have an attempt, or began one that somebody else paid."""
    return frozenset(openid for p in order.payments for openid in (p.payer.openid, p.begun_by) if openid)


def viewer_key(order: Order, openid: str, payers: frozenset[str]) -> str:
    """Return who this is to the order: the initiator, a friend without an attempt, or one particular payer."""
    if openid == order.initiator.openid:
        return INITIATOR
    return openid if openid in payers else FRIEND


def public_order(order: Order, openid: str) -> PublicOrder:
    """Return what the person with this openid may see of the order."""
    held = order.held_shares
    return PublicOrder(
        order_id=order.order_id,
        title=order.title,
        note=order.note,
        amount=order.amount,
        shares=len(order.shares),
        share_amounts=order.shares,
        paid_shares=len(held),
        paid_amount=Fen(sum(p.amount for p in held.values())),
        state=order.state,
        rev=order.rev,
        created_at_ms=order.created_at_ms,
        expires_at_ms=order.expires_at_ms,
        paid_at_ms=order.paid_at_ms,
        initiator=PublicPerson(order.initiator.name, order.initiator.avatar),
        payments=tuple(_public_payment(order, p, openid) for p in order.payments),
        events=tuple(PublicEntry(e.kind, e.at_ms, e.name, e.amount) for e in order.entries),
        my_role=_role(order, openid),
    )


def _role(order: Order, openid: str) -> Role:
    key = viewer_key(order, openid, payers_of(order))
    return "initiator" if key == INITIATOR else "friend" if key == FRIEND else "payer"


def _public_payment(order: Order, payment: Payment, openid: str) -> PublicPayment:
    mine = payment.is_of(openid)
    has_paid = payment.payer.openid == openid
    brought = order.initiator.openid == openid
    return PublicPayment(
        payer=PublicPerson(payment.payer.name, payment.payer.avatar),
        amount=payment.amount,
        share=payment.share,
        trade_state=payment.trade_state,
        lease_until_ms=payment.lease_until_ms,
        paid_at_ms=payment.paid_at_ms,
        refund=_public_refund(payment),
        mine=mine,
        out_trade_no=payment.out_trade_no if mine or brought else None,
        trade_type=payment.trade_type if mine else None,
        my_points=(payment.initiator_points if brought else 0) + (payment.payer_points if has_paid else 0),
    )


def _public_refund(payment: Payment) -> PublicRefund | None:
    refunds = [refund for refund in payment.refunds if refund.counts]
    if not refunds:
        return None
    last = refunds[-1]
    states = [RefundState.ABNORMAL if refund.state.is_stuck else refund.state for refund in refunds]
    waiting = [s for s in (RefundState.ABNORMAL, RefundState.DUE, RefundState.PROCESSING) if s in states]
    return PublicRefund(
        amount=Fen(sum(refund.amount for refund in refunds)),
        state=waiting[0] if waiting else RefundState.SUCCESS,
        reason=last.reason,
        refunded_at_ms=last.refunded_at_ms,
    )
