"""
Money on its way back: who is owed what, and how far each refund has come.

A refund's number is fixed in the change that owes it, before WeChat hears of it, so that no crash can refund twice.
"""

from typing import Final

from msgspec.structs import replace

from server.domain.document import Entry, Order, OrderState, Payment, Refund, find_attempt, put, told
from server.domain.effects import REFUND_QUERY_GAPS_S, Effect, EffectKind, Effects, due_effects, with_effect, without
from server.domain.events import (
    RefundAskedAgain,
    RefundProgressed,
    RefundReason,
    RefundReported,
    RefundRequested,
    RefundSettledByHand,
    RefundState,
    TradeState,
)
from server.domain.merchant_events import (
    ORDER_REFUNDED,
    REFUND_ABNORMAL,
    REFUND_SETTLED,
    REFUND_SUCCESS,
    with_merchant_event,
)
from server.domain.money import Fen
from server.errors import (
    RefundNotClosed,
    RefundNotStuck,
    RefundPaidTwice,
    RefundTooLarge,
    TooManyRefunds,
    UnknownAttempt,
)

MOST_PARTS: Final = 50  # Source: WeChat Pay API v2, "refund".


def ask_refund(order: Order, event: RefundRequested, now_ms: int) -> Order:
    """Owe back what is asked of one payment or, without a number, of all of them in the order of their attempts."""
    if event.asked_by and any(r.asked_by == event.asked_by for p in order.payments for r in p.refunds):
        return order
    number = event.out_trade_no
    payments = [*order.held_shares.values()] if number is None else [find_attempt(order, number)]
    left = sum(payment.left for payment in payments)
    asked: int = left if event.amount is None else event.amount
    if not 0 <= asked <= left:
        raise RefundTooLarge(number or order.order_id, asked, left)
    for payment in payments:
        amount = Fen(min(asked, payment.left))
        asked -= amount
        if amount:
            if len(payment.refunds) >= MOST_PARTS - 1 and amount < payment.left:
                raise TooManyRefunds(payment.out_trade_no, MOST_PARTS, payment.left)  # or the rest could never follow
            order = owe_refund(order, payment, amount, RefundReason.ASKED, now_ms, asked_by=event.asked_by)
    return order


def owe_all(order: Order, reason: RefundReason, now_ms: int) -> Order:
    for payment in order.held_shares.values():
        if payment.left:
            order = owe_refund(order, payment, payment.left, reason, now_ms)
    return order


def owe_refund(
    order: Order, payment: Payment, amount: Fen, reason: RefundReason, now_ms: int, *, asked_by: str = ""
) -> Order:
    refund = Refund(
        out_refund_no=_next_number(order, payment),
        amount=amount,
        reason=reason,
        asked_at_ms=now_ms,
        asked_by=asked_by,
    )
    order = put(order, payment, replace(payment, refunds=(*payment.refunds, refund)))
    effects = with_effect(
        order.effects,
        Effect(kind=EffectKind.REFUND, about=refund.out_refund_no, due_at_ms=now_ms),
        *(
            (Effect(kind=EffectKind.TAKE_BACK_REWARD, about=refund.out_refund_no, due_at_ms=now_ms),)
            if order.earns and payment.share is not None
            else ()
        ),
    )
    entries = told(order, Entry("refund_due", now_ms, payment.payer.name, amount))
    return replace(order, effects=effects, entries=entries)


def _next_number(order: Order, payment: Payment) -> str:
    """Position and count, not the attempt's number: two transactions under one number need two refund numbers."""
    line = next(i for i, p in enumerate(order.payments, start=1) if p.transaction_id == payment.transaction_id)
    return f"{order.order_id}{line:03d}R{len(payment.refunds) + 1}"


_REFUND_RANK: Final = {state: rank for rank, state in enumerate(RefundState)}


def refund_progressed(order: Order, event: RefundProgressed, now_ms: int) -> Order:
    payment, refund = find_refund(order, event.out_refund_no)
    if refund.is_out_of_hand:
        if event.state is RefundState.SUCCESS:
            raise RefundPaidTwice(event.out_refund_no)
        return order
    if _REFUND_RANK[event.state] <= _REFUND_RANK[refund.state]:
        return order  # answers overtake each other; a refund only moves forward
    done = event.state is RefundState.SUCCESS
    after = replace(
        refund,
        state=event.state,
        refund_id=event.refund_id or refund.refund_id,
        accepted_at_ms=refund.accepted_at_ms or now_ms,
        refunded_at_ms=now_ms if done else None,
    )
    told_by_wechat = replace(payment, trade_state=TradeState.REFUND if done else payment.trade_state)
    order = put(order, payment, _with_refund(told_by_wechat, refund, after))
    order = replace(order, effects=_refund_effects(order.effects, event, now_ms))
    if event.state.is_stuck and not refund.state.is_stuck:
        order = with_merchant_event(order, REFUND_ABNORMAL, now_ms, about=event.out_refund_no)
    if done:
        order = with_merchant_event(order, REFUND_SUCCESS, now_ms, about=event.out_refund_no)
        order = replace(order, entries=told(order, Entry("refunded", now_ms, payment.payer.name, refund.amount)))
    return _finish_refunding(order, now_ms)


def _refund_effects(effects: Effects, event: RefundProgressed, now_ms: int) -> Effects:
    about = event.out_refund_no
    effects = without(effects, f"{EffectKind.REFUND}:{about}")
    if event.state is RefundState.SUCCESS:
        return without(effects, f"{EffectKind.QUERY_REFUND}:{about}")
    # A stuck refund too: once a person has seen to it at WeChat, somebody must ask.
    due_at_ms = now_ms + REFUND_QUERY_GAPS_S[0] * 1000
    return with_effect(effects, Effect(kind=EffectKind.QUERY_REFUND, about=about, due_at_ms=due_at_ms))


def ask_after_refund(order: Order, event: RefundReported, now_ms: int) -> Order:
    """
    Make the question after this refund due now, unless its answer is known.

    The word may be faster than WeChat's answer to the call that asked for the refund: then the refund is still DUE and
    nobody has planned a question yet, and the answer, when it comes, must not plan a later one.
    """
    _, refund = find_refund(order, event.out_refund_no)
    question = Effect(kind=EffectKind.QUERY_REFUND, about=event.out_refund_no, due_at_ms=now_ms)
    if refund.state is RefundState.SUCCESS or any(e.key == question.key for e in due_effects(order.effects, now_ms)):
        return order
    return replace(order, effects=with_effect(without(order.effects, question.key), question))


def ask_again(order: Order, event: RefundAskedAgain, now_ms: int) -> Order:
    """
    Owe what a closed refund did not pay under a number of its own; the closed one is owed no more.

    A repeat finds the refund replaced and changes nothing, so the money goes back under one new number alone.
    Source: WeChat Pay API v2, "refund query" (REFUNDCLOSE).
    """
    payment, refund = find_refund(order, event.out_refund_no)
    if refund.replaced_by:
        return order
    if refund.state is not RefundState.CLOSED:
        raise RefundNotClosed(event.out_refund_no, refund.state)
    if len(payment.refunds) >= MOST_PARTS - bool(payment.left):
        raise TooManyRefunds(payment.out_trade_no, MOST_PARTS, payment.left)  # or what is left could never follow
    replaced = _with_refund(payment, refund, replace(refund, replaced_by=_next_number(order, payment)))
    order = _out_of_hand(put(order, payment, replaced), event.out_refund_no)
    return owe_refund(order, replaced, refund.amount, refund.reason, now_ms)


def settle_by_hand(order: Order, event: RefundSettledByHand, now_ms: int) -> Order:
    """Take a stuck refund as paid back by a person, outside WeChat; the first note stays the evidence."""
    payment, refund = find_refund(order, event.out_refund_no)
    if refund.state is RefundState.SETTLED:
        return order
    if refund.replaced_by or not refund.state.is_stuck:
        raise RefundNotStuck(event.out_refund_no, "REPLACED" if refund.replaced_by else refund.state)
    settled = replace(refund, state=RefundState.SETTLED, refunded_at_ms=now_ms, settled_note=event.note)
    order = _out_of_hand(put(order, payment, _with_refund(payment, refund, settled)), event.out_refund_no)
    order = with_merchant_event(order, REFUND_SETTLED, now_ms, about=event.out_refund_no)
    entries = told(order, Entry("refund_settled", now_ms, payment.payer.name, refund.amount))
    return _finish_refunding(replace(order, entries=entries), now_ms)


def _with_refund(payment: Payment, old: Refund, new: Refund) -> Payment:
    return replace(payment, refunds=tuple(new if r is old else r for r in payment.refunds))


def _out_of_hand(order: Order, out_refund_no: str) -> Order:
    """Nobody asks for this refund any more, nor after it; WeChat's own word of it will still be heard."""
    effects = (f"{kind}:{out_refund_no}" for kind in (EffectKind.REFUND, EffectKind.QUERY_REFUND))
    return replace(order, effects=without(order.effects, *effects))


def _finish_refunding(order: Order, now_ms: int) -> Order:
    """A paid order is refunded once every fen it kept has gone back."""
    if order.state is not OrderState.PAID:
        return order
    back = all(not p.left and not any(r.is_owed for r in p.refunds) for p in order.held_shares.values())
    return with_merchant_event(replace(order, state=OrderState.REFUNDED), ORDER_REFUNDED, now_ms) if back else order


def find_refund(order: Order, out_refund_no: str) -> tuple[Payment, Refund]:
    """
    Return the refund with this number and the payment it pays back.

    Raises:
        UnknownAttempt: The order has none.
    """
    for payment in order.payments:
        for refund in payment.refunds:
            if refund.out_refund_no == out_refund_no:
                return payment, refund
    raise UnknownAttempt(out_refund_no)
