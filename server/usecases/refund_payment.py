"""
Money goes back: ask WeChat for it under the number the order fixed, then ask until it has arrived.

No call here ever makes a number of its own, so nothing that is repeated can refund twice.
"""

from typing import Final

from server.domain.document import Order, Payment, Refund
from server.domain.effects import Effect, EffectKind
from server.domain.events import EffectFinished, EffectParked, EffectPostponed, RefundProgressed, RefundState
from server.domain.refunds import find_refund
from server.errors import WeChatRefused
from server.usecases.effect_means import Means, Outcome, alarm, postponed

# Source: WeChat Pay API v2, "refund".
LONGEST_AGO_MS: Final = 365 * 86_400_000
BETWEEN_PARTS_MS: Final = 60_000

# These answers never change. The money has to go back by other means, or somebody has to correct what we say.
_NEVER: Final = frozenset({"TRADE_OVERDUE", "USER_ACCOUNT_ABNORMAL", "INVALID_TRANSACTIONID", "REFUND_FEE_MISMATCH"})


async def refund_payment(order: Order, effect: Effect, means: Means) -> Outcome:
    """Hand the refund to WeChat once its rules allow it; accepted is not yet paid."""
    payment, refund = find_refund(order, effect.about)
    now_ms = means.clock.now_ms()
    if now_ms - (payment.paid_at_ms or 0) > LONGEST_AGO_MS:
        return _given_up(order, effect, "TRADE_OVERDUE")
    if (not_before_ms := _next_part_ms(payment, refund, now_ms)) > now_ms:
        return (EffectPostponed(key=effect.key, due_at_ms=not_before_ms, reason="one_a_minute"),)
    try:
        return (await means.gateway.refund(order, payment, refund),)
    except WeChatRefused as refused:
        if refused.code in _NEVER:
            return _given_up(order, effect, refused.code)
        if refused.code != "ERROR":
            raise
        return await _asked_instead(order, effect, means)


async def query_refund(order: Order, effect: Effect, means: Means) -> Outcome:
    """
    Ask how the refund stands; one that WeChat has never heard of is asked for again, under the same number.

    One that a person has found another way for is only asked after when WeChat sent word of it, and never asked for.
    """
    payment, refund = find_refund(order, effect.about)
    await means.pace.turn("refundquery")
    try:
        progressed = await means.gateway.query_refund(payment, refund)
    except WeChatRefused as refused:
        if refused.code != "REFUNDNOTEXIST":
            raise
        return (EffectFinished(effect.key),) if refund.is_out_of_hand else await _asked_again(order, effect, means)
    if progressed.state is RefundState.SUCCESS:
        return (progressed,)
    if refund.is_out_of_hand:
        return (EffectFinished(effect.key),)
    if progressed.state.is_stuck and not refund.state.is_stuck:
        alarm("refund_abnormal", order, effect, progressed.state)
    # A stuck one too: once a person has seen to it at WeChat, the answer changes.
    return (progressed, postponed(effect, progressed.state, means))


async def _asked_instead(order: Order, effect: Effect, means: Means) -> Outcome:
    """ERROR can mean that the money has gone back already: only a query tells."""
    try:
        return (await means.gateway.query_refund(*find_refund(order, effect.about)),)
    except WeChatRefused as refused:
        if refused.code != "REFUNDNOTEXIST":
            raise
        return _given_up(order, effect, "ERROR")


async def _asked_again(order: Order, effect: Effect, means: Means) -> Outcome:
    again = await refund_payment(order, effect, means)
    has_word = any(isinstance(event, EffectPostponed | EffectParked) for event in again)
    return again if has_word else (*again, postponed(effect, "REFUNDNOTEXIST", means))


def _given_up(order: Order, effect: Effect, reason: str) -> Outcome:
    """WeChat will not do it: the refund is abnormal, and the question after it waits for a person."""
    alarm("refund_given_up", order, effect, reason)
    abnormal = RefundProgressed(out_refund_no=effect.about, state=RefundState.ABNORMAL)
    return (abnormal, EffectParked(f"{EffectKind.QUERY_REFUND}:{effect.about}", reason))


def _next_part_ms(payment: Payment, refund: Refund, now_ms: int) -> int:
    """Return when the next part of this payment may go back: a minute after the last, and in their order."""
    before = payment.refunds[: payment.refunds.index(refund)]
    if any(part.state is RefundState.DUE for part in before):
        return now_ms + BETWEEN_PARTS_MS
    others = [part.accepted_at_ms for part in payment.refunds if part is not refund and part.accepted_at_ms]
    return max(others, default=-BETWEEN_PARTS_MS) + BETWEEN_PARTS_MS
