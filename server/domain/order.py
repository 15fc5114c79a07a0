"""
Everything that can happen to an order, as one table and one function.

    OPEN ──all shares paid──> PAID ──all refunded──> REFUNDED
      │                        ▲
      └──expired / closed──> CLOSING ──no attempt left open──> CLOSED

An order asks for its amount in one or more shares. Every friend who presses pay gets an attempt (`Payment`) of his
own, because WeChat binds an `out_trade_no` to the payer who first used it. Two attempts at one share can therefore both
succeed. Money is never refused: it takes a share that is still free, or it is owed back, by an effect written in the
same change.

This module reads no clock and does no I/O. `apply` returns a new order with `rev` one higher, or the very same object
when nothing changed.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from server.domain.document import Entry, Order, OrderState, Payment, find_attempt, open_attempt_of, put, told
from server.domain.effects import (
    CLOSE_NOT_BEFORE_S,
    QUERY_GAPS_S,
    Effect,
    EffectKind,
    Effects,
    with_effect,
    without,
)
from server.domain.events import (
    CloseRequested,
    EffectFinished,
    EffectParked,
    EffectPostponed,
    EffectResumed,
    Event,
    LeaseReleased,
    NumberRefused,
    OrderExpired,
    OrderWatched,
    PaymentConfirmed,
    PaymentRewarded,
    PaymentStarted,
    PaymentUnpaid,
    Person,
    RefundAskedAgain,
    RefundProgressed,
    RefundReason,
    RefundReported,
    RefundRequested,
    RefundSettledByHand,
    TradeState,
)
from server.domain.merchant_events import ORDER_CLOSED, ORDER_PAID, PAYMENT_PAID, with_merchant_event
from server.domain.questions import ask_soon
from server.domain.refunds import (
    ask_after_refund,
    ask_again,
    ask_refund,
    owe_all,
    owe_refund,
    refund_progressed,
    settle_by_hand,
)
from server.errors import (
    AmountMismatch,
    IllegalTransition,
    OrderNotPayable,
    PayerMismatch,
    ShareLeased,
    TooManyAttempts,
    TransactionMismatch,
)

MAX_ATTEMPTS: Final = 200
MAX_GUEST_ATTEMPTS: Final = 100  # anybody can be a new guest each time; friends in WeChat keep room

# A query further away than this comes too late for somebody who stands at the cashier.
RARE_MS: Final = 15_000

# WeChat wants an attempt's last moment to lie more than one minute ahead, in older documents more than five.
SHORTEST_ATTEMPT_MS: Final = 6 * 60_000


def apply(order: Order, event: Event, *, now_ms: int) -> Order:
    """
    Return the order as it is after this event: the same object when the event is a repeat, else `rev` one higher.

    Raises:
        IllegalTransition: The table has no row for this state and event.
        OrderError: The row's own refusal, such as ShareLeased or AmountMismatch.
    """
    transition = TRANSITIONS.get((order.state, type(event)))
    if transition is None:
        raise IllegalTransition(order.order_id, order.state, type(event).__name__)
    after = transition(order, event, now_ms)
    return after if after is order else replace(after, rev=order.rev + 1)


def _start_payment(order: Order, event: PaymentStarted, now_ms: int) -> Order:
    if now_ms >= order.expires_at_ms:
        raise OrderNotPayable(order.order_id, "EXPIRED")
    held = order.held_shares
    leased = _leased_to_others(order, event.payer.openid, now_ms)
    free = [i for i in range(len(order.shares)) if i not in held and i not in leased]
    if not free:
        raise ShareLeased(order.order_id, min(leased.values()), now_ms)
    mine = open_attempt_of(order, event.payer.openid, event.trade_type, now_ms)
    if mine is not None:
        share = mine.share if mine.share in free else next((i for i in free if order.shares[i] == mine.amount), None)
        if share is not None:
            return _renew_lease(order, mine, share, event.lease_ms, now_ms)
    return _new_attempt(order, event, free[0], now_ms)


def _leased_to_others(order: Order, openid: str, now_ms: int) -> dict[int, int]:
    """Shares not yet paid that somebody else is paying just now, and until when."""
    held = order.held_shares
    others = [p for p in order.payments if p.is_open and p.payer.openid != openid and p.lease_until_ms > now_ms]
    return {p.share: p.lease_until_ms for p in others if p.share is not None and p.share not in held}


def _lease_end_ms(lease_ms: int, now_ms: int) -> int:
    # No lease is 0 and not "until now": to a clock that runs behind, that would still lie ahead.
    return now_ms + lease_ms if lease_ms else 0


def _renew_lease(order: Order, mine: Payment, share: int, lease_ms: int, now_ms: int) -> Order:
    # If he gave it up for another and comes back, nobody may close it under his hands.
    effects = without(order.effects, f"{EffectKind.CLOSE}:{mine.out_trade_no}")
    effects = _asking_soon(effects, mine, now_ms)
    # A lease that runs is not prolonged: the others were told when it ends, and nobody must keep a share for ever.
    runs = share == mine.share and (lease_ms == 0 or mine.lease_until_ms > now_ms)
    if runs and effects is order.effects:
        return order
    until_ms = mine.lease_until_ms if runs else _lease_end_ms(lease_ms, now_ms)
    order = _give_up_others(replace(order, effects=effects), mine.payer.openid, mine, now_ms)
    return put(order, mine, replace(mine, share=share, lease_until_ms=until_ms))


def _new_attempt(order: Order, event: PaymentStarted, share: int, now_ms: int) -> Order:
    _check_room(order, event.payer)
    payment = Payment(
        out_trade_no=f"{order.order_id}{len(order.payments) + 1:03d}",
        payer=event.payer,
        amount=order.shares[share],
        share=share,
        trade_type=event.trade_type,
        client_ip=event.client_ip,
        api=event.api,
        created_at_ms=now_ms,
        expires_at_ms=max(order.expires_at_ms, now_ms + SHORTEST_ATTEMPT_MS),
        lease_until_ms=_lease_end_ms(event.lease_ms, now_ms),
    )
    order = _give_up_others(order, event.payer.openid, None, now_ms)
    return replace(
        order,
        payments=(*order.payments, payment),
        effects=with_effect(order.effects, _query_effect(payment, now_ms)),
        entries=told(order, Entry("paying", now_ms, payment.payer.name, payment.amount)),
    )


def _check_room(order: Order, payer: Person) -> None:
    if len(order.payments) >= MAX_ATTEMPTS:
        raise TooManyAttempts(order.order_id, MAX_ATTEMPTS)
    if payer.is_guest and sum(p.payer.is_guest for p in order.payments) >= MAX_GUEST_ATTEMPTS:
        raise TooManyAttempts(order.order_id, MAX_GUEST_ATTEMPTS)


def _asking_soon(effects: Effects, payment: Payment, now_ms: int) -> Effects:
    """He is back at the cashier: questions that have grown rare begin anew."""
    fresh = _query_effect(payment, now_ms)
    is_rare = any(e.key == fresh.key and not e.parked and e.due_at_ms > now_ms + RARE_MS for e in effects)
    return with_effect(without(effects, fresh.key), fresh) if is_rare else effects


def _give_up_others(order: Order, openid: str, kept: Payment | None, now_ms: int) -> Order:
    """A friend pays one attempt at a time: his other open ones lose their lease and are to be closed."""
    for old in order.payments:
        if old is not kept and old.is_open and old.payer.openid == openid:
            order = put(order, old, replace(old, lease_until_ms=0))
            order = replace(order, effects=with_effect(order.effects, _close_effect(old, now_ms)))
    return order


def _release_lease(order: Order, event: LeaseReleased, now_ms: int) -> Order:
    payment = find_attempt(order, event.out_trade_no)
    if not payment.is_open or payment.lease_until_ms <= now_ms:
        return order
    return put(order, payment, replace(payment, lease_until_ms=0))


def _give_up(order: Order, event: NumberRefused, now_ms: int) -> Order:
    """The friend needs another number; this one is to be closed, and its money taken if it was paid."""
    payment = find_attempt(order, event.out_trade_no)
    if payment.is_given_up or not payment.is_open:
        return order
    order = put(order, payment, replace(payment, is_given_up=True, lease_until_ms=0))
    return replace(order, effects=with_effect(order.effects, _close_effect(payment, now_ms)))


def _refuse_payment(order: Order, event: PaymentStarted, now_ms: int) -> Order:
    raise OrderNotPayable(order.order_id, order.state)


def _take_or_return(order: Order, event: PaymentConfirmed, now_ms: int) -> Order:
    """The order still wants money: take a free share of this amount, or owe the money back."""
    paid = _believe(order, event, now_ms)
    if paid is None:
        return order
    share = _free_share_for(order, paid)
    if share is None:
        order = _owe_back(order, paid, RefundReason.SECOND_MONEY, now_ms)
    else:
        order = _take_share(order, replace(paid, share=share), now_ms)
    return _finish_closing(order, now_ms) if order.state is OrderState.CLOSING else order


def _return_money(order: Order, event: PaymentConfirmed, now_ms: int) -> Order:
    """The order wants no more money: owe it back."""
    paid = _believe(order, event, now_ms)
    if paid is None:
        return order
    late = order.state is OrderState.CLOSED
    return _owe_back(order, paid, RefundReason.LATE_MONEY if late else RefundReason.SECOND_MONEY, now_ms)


def _believe(order: Order, event: PaymentConfirmed, now_ms: int) -> Payment | None:
    """
    Return the attempt as paid by this transaction, or None when exactly this is known already.

    A repeat is told by `transaction_id`, never by the order's state: another id is other money, even under one number.
    """
    attempt = find_attempt(order, event.out_trade_no)
    for payment in order.payments:
        if payment.transaction_id == event.transaction_id:
            if payment.out_trade_no != event.out_trade_no:
                raise TransactionMismatch(event.out_trade_no, event.transaction_id)
            return None
    if event.amount != attempt.amount or event.fee_type != "CNY":
        raise AmountMismatch(event.out_trade_no, attempt.amount, event.amount, event.fee_type)
    if attempt.trade_type.binds_payer and event.openid not in ("", attempt.payer.openid):
        raise PayerMismatch(event.out_trade_no)
    return replace(
        _handed_over(attempt, event),
        trade_state=TradeState.SUCCESS,
        transaction_id=event.transaction_id,
        paid_at_ms=event.paid_at_ms,
        settled_at_ms=now_ms,
        evidence=event.evidence,
        lease_until_ms=0,
        refunds=(),
    )


def _handed_over(attempt: Payment, event: PaymentConfirmed) -> Payment:
    """A code or a link may have been paid by somebody else: then it is his payment, and still who began it sees it."""
    if not attempt.trade_type.changes_hands or event.openid in ("", attempt.payer.openid):
        return attempt
    payer = event.payer or Person(event.openid, "")
    return replace(attempt, payer=payer, begun_by=attempt.begun_by or attempt.payer.openid)


def _free_share_for(order: Order, paid: Payment) -> int | None:
    if find_attempt(order, paid.out_trade_no).is_paid:
        return None  # a second transaction under one number: nobody asked this friend for another share
    held = order.held_shares
    if paid.share is not None and paid.share not in held:
        return paid.share
    return next((i for i, amount in enumerate(order.shares) if i not in held and amount == paid.amount), None)


def _take_share(order: Order, paid: Payment, now_ms: int) -> Order:
    order = _record(order, paid)
    initiator = order.initiator.openid  # empty where the merchant asks
    tells = order.tells_initiator and initiator and paid.payer.openid != initiator
    effects = with_effect(
        order.effects,
        *((Effect(kind=EffectKind.REWARD, about=paid.out_trade_no, due_at_ms=now_ms),) if order.earns else ()),
        *((Effect(kind=EffectKind.TELL_INITIATOR, about=paid.out_trade_no, due_at_ms=now_ms),) if tells else ()),
    )
    order = replace(order, effects=effects, entries=told(order, Entry("paid", now_ms, paid.payer.name, paid.amount)))
    order = with_merchant_event(order, PAYMENT_PAID, now_ms, about=paid.out_trade_no)
    if len(order.held_shares) < len(order.shares):
        return order
    order = with_merchant_event(order, ORDER_PAID, now_ms)
    effects = with_effect(
        without(order.effects, EffectKind.EXPIRE),
        *(_close_effect(p, now_ms) for p in order.payments if p.is_open),
    )
    entries = told(order, Entry("completed", now_ms))
    return replace(order, state=OrderState.PAID, paid_at_ms=now_ms, effects=effects, entries=entries)


def _owe_back(order: Order, paid: Payment, reason: RefundReason, now_ms: int) -> Order:
    paid = replace(paid, share=None)
    order = _record(order, paid)
    order = replace(order, entries=told(order, Entry(reason, now_ms, paid.payer.name, paid.amount)))
    return owe_refund(order, paid, paid.amount, reason, now_ms)


def _record(order: Order, paid: Payment) -> Order:
    """Write the payment down; a second transaction under one number gets a line of its own."""
    attempt = find_attempt(order, paid.out_trade_no)
    order = replace(order, effects=_without_attempt(order.effects, paid.out_trade_no))
    if attempt.is_paid:
        return replace(order, payments=(*order.payments, paid))
    return put(order, attempt, paid)


def _begin_closing(order: Order, event: OrderExpired | CloseRequested, now_ms: int) -> Order:
    if isinstance(event, OrderExpired) and now_ms < order.expires_at_ms:
        return order  # a clock that runs ahead elsewhere closes nothing here
    kind = "expired" if isinstance(event, OrderExpired) else "closing"
    effects = with_effect(
        without(order.effects, EffectKind.EXPIRE),
        *(_close_effect(p, now_ms) for p in order.payments if p.is_open),
    )
    order = replace(order, state=OrderState.CLOSING, effects=effects, entries=told(order, Entry(kind, now_ms)))
    return _finish_closing(order, now_ms)


def _finish_closing(order: Order, now_ms: int) -> Order:
    """A closing order is closed once no attempt can bring money any more; shares paid until then go back."""
    if any(p.is_open for p in order.payments):
        return order
    order = replace(
        order,
        state=OrderState.CLOSED,
        closed_at_ms=now_ms,
        entries=told(order, Entry("closed", now_ms)),
    )
    order = with_merchant_event(order, ORDER_CLOSED, now_ms)
    return owe_all(order, RefundReason.ORDER_CLOSED, now_ms)


def _unpaid(order: Order, event: PaymentUnpaid, now_ms: int) -> Order:
    if event.trade_state in (TradeState.SUCCESS, TradeState.REFUND):
        raise IllegalTransition(order.order_id, order.state, f"PaymentUnpaid({event.trade_state})")
    payment = find_attempt(order, event.out_trade_no)
    if payment.is_paid or payment.trade_state in (event.trade_state, TradeState.CLOSED):
        return order  # what is paid or closed never goes back
    after = replace(payment, trade_state=event.trade_state)
    if event.trade_state is not TradeState.CLOSED:
        return put(order, payment, after)
    effects = _without_attempt(order.effects, payment.out_trade_no)
    order = put(replace(order, effects=effects), payment, replace(after, lease_until_ms=0))
    return _finish_closing(order, now_ms) if order.state is OrderState.CLOSING else order


def _unchanged(order: Order, event: Event, now_ms: int) -> Order:
    return order


def _strike_off(order: Order, event: EffectFinished, now_ms: int) -> Order:
    effects = without(order.effects, event.key)
    return order if effects is order.effects else replace(order, effects=effects)


def _reward(order: Order, event: PaymentRewarded, now_ms: int) -> Order:
    effects = without(order.effects, event.key)
    if effects is order.effects:
        return order
    payment = find_attempt(order, event.out_trade_no)
    rewarded = replace(payment, initiator_points=event.initiator_points, payer_points=event.payer_points)
    return put(replace(order, effects=effects), payment, rewarded)


def _postpone(order: Order, event: EffectPostponed | EffectParked, now_ms: int) -> Order:
    def later(effect: Effect) -> Effect:
        if isinstance(event, EffectParked):
            return replace(effect, parked=True, reason=event.reason)
        return replace(effect, tries=effect.tries + 1, due_at_ms=event.due_at_ms, reason=event.reason)

    effects = tuple(later(effect) if effect.key == event.key else effect for effect in order.effects)
    return order if effects == order.effects else replace(order, effects=effects)


def _resume(order: Order, event: EffectResumed, now_ms: int) -> Order:
    def now(effect: Effect) -> Effect:
        is_due = effect.is_waiting and effect.due_at_ms <= now_ms
        return effect if is_due else replace(effect, parked=False, tries=0, due_at_ms=now_ms)

    effects = tuple(now(effect) if effect.key == event.key else effect for effect in order.effects)
    return order if effects == order.effects else replace(order, effects=effects)


def _without_attempt(effects: Effects, out_trade_no: str) -> Effects:
    """Nothing is left to ask or to close of an attempt that is paid or closed."""
    return without(effects, f"{EffectKind.QUERY}:{out_trade_no}", f"{EffectKind.CLOSE}:{out_trade_no}")


def _query_effect(payment: Payment, now_ms: int) -> Effect:
    return Effect(kind=EffectKind.QUERY, about=payment.out_trade_no, due_at_ms=now_ms + QUERY_GAPS_S[0] * 1000)


def _close_effect(payment: Payment, now_ms: int) -> Effect:
    due_at_ms = max(now_ms, payment.created_at_ms + CLOSE_NOT_BEFORE_S * 1000)
    return Effect(kind=EffectKind.CLOSE, about=payment.out_trade_no, due_at_ms=due_at_ms)


Transition = Callable[[Order, Any, int], Order]

_S = OrderState
_ALWAYS: Final[Mapping[type, Transition]] = {
    OrderWatched: ask_soon,
    NumberRefused: _give_up,
    PaymentUnpaid: _unpaid,
    RefundProgressed: refund_progressed,
    RefundReported: ask_after_refund,
    RefundAskedAgain: ask_again,
    RefundSettledByHand: settle_by_hand,
    EffectFinished: _strike_off,
    PaymentRewarded: _reward,
    EffectPostponed: _postpone,
    EffectParked: _postpone,
    EffectResumed: _resume,
}

# A pair that is not here is an IllegalTransition. Money (PaymentConfirmed) has a row in every state: never refused.
TRANSITIONS: Final[Mapping[tuple[OrderState, type], Transition]] = {
    (_S.OPEN, PaymentStarted): _start_payment,
    (_S.OPEN, LeaseReleased): _release_lease,
    (_S.OPEN, PaymentConfirmed): _take_or_return,
    (_S.OPEN, OrderExpired): _begin_closing,
    (_S.OPEN, CloseRequested): _begin_closing,
    (_S.CLOSING, PaymentStarted): _refuse_payment,
    (_S.CLOSING, LeaseReleased): _unchanged,
    (_S.CLOSING, PaymentConfirmed): _take_or_return,  # the friend was faster than our close
    (_S.CLOSING, OrderExpired): _unchanged,
    (_S.CLOSING, CloseRequested): _unchanged,
    (_S.CLOSED, PaymentStarted): _refuse_payment,
    (_S.CLOSED, LeaseReleased): _unchanged,
    (_S.CLOSED, PaymentConfirmed): _return_money,  # money came after we closed
    (_S.CLOSED, OrderExpired): _unchanged,
    (_S.CLOSED, CloseRequested): _unchanged,
    (_S.PAID, PaymentStarted): _refuse_payment,
    (_S.PAID, LeaseReleased): _unchanged,
    (_S.PAID, PaymentConfirmed): _return_money,  # another transaction_id: second money
    (_S.PAID, OrderExpired): _unchanged,
    (_S.PAID, RefundRequested): ask_refund,
    (_S.REFUNDED, PaymentStarted): _refuse_payment,
    (_S.REFUNDED, LeaseReleased): _unchanged,
    (_S.REFUNDED, PaymentConfirmed): _return_money,
    (_S.REFUNDED, OrderExpired): _unchanged,
    (_S.REFUNDED, RefundRequested): _unchanged,
    **{(state, event): transition for state in _S for event, transition in _ALWAYS.items()},
}
