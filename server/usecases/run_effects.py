"""
One order's due effects: run them side by side, then write down what came of them in one compare-and-set.

An effect that fails keeps no other from its end. Unknown is not failed: it is postponed, and only what WeChat clearly
said ever changes a state.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from server.domain.document import Order
from server.domain.effects import Effect, EffectKind, due_effects
from server.domain.events import EffectParked, OrderExpired
from server.domain.order import apply
from server.errors import OrderError, PayError, WeChatRefused, WeChatUnavailable
from server.usecases.close_payment import close_payment
from server.usecases.count_outcomes import count_outcomes
from server.usecases.effect_means import Means, Outcome, Runner, alarm, log, postponed
from server.usecases.query_payment import query_payment
from server.usecases.refund_payment import query_refund, refund_payment
from server.usecases.reward_payment import reward_payment, take_back_reward
from server.usecases.tell_initiator import tell_initiator
from server.usecases.tell_merchant import tell_merchant

AT_ONCE: Final = 8  # effects of one order
LONGEST_RUN_S: Final = 20  # a close is four calls


async def expire_order(order: Order, effect: Effect, means: Means) -> Outcome:
    """The order's time is over; what its state makes of that is the state machine's."""
    return (OrderExpired(),)


RUNNERS: Final[Mapping[EffectKind, Runner]] = {
    EffectKind.QUERY: query_payment,
    EffectKind.CLOSE: close_payment,
    EffectKind.EXPIRE: expire_order,
    EffectKind.REFUND: refund_payment,
    EffectKind.QUERY_REFUND: query_refund,
    EffectKind.REWARD: reward_payment,
    EffectKind.TAKE_BACK_REWARD: take_back_reward,
    EffectKind.TELL_INITIATOR: tell_initiator,
    EffectKind.WEBHOOK: tell_merchant,
}


async def run_effects(order: Order, means: Means) -> Order | None:
    """
    Run what is due of this order and store the outcome; return it as stored, None if nothing came of it.

    Raises:
        StoreUnavailable: What ran is run again later; each effect is safe to repeat.
    """
    now_ms = means.clock.now_ms()
    due = due_effects(order.effects, now_ms)[:AT_ONCE]
    for effect in due:
        means.metrics.effect_late_seconds.labels(effect.kind).observe((now_ms - effect.due_at_ms) / 1000)
    outcomes = await asyncio.gather(*(_run(order, effect, means) for effect in due))
    return await _store_outcomes(order, list(zip(due, outcomes, strict=True)), means)


async def _run(order: Order, effect: Effect, means: Means) -> Outcome:
    try:
        async with asyncio.timeout(LONGEST_RUN_S):
            return await RUNNERS[effect.kind](order, effect, means)
    except WeChatUnavailable as error:
        return (postponed(effect, error.reason, means),)
    except TimeoutError:
        return (postponed(effect, "timeout", means),)
    except WeChatRefused as refused:
        alarm("effect_refused", order, effect, refused.code)
        return (postponed(effect, refused.code, means),)
    except PayError as error:
        log.warning("effect_failed", order_id=order.order_id, effect=effect.key, reason=str(error))
        return (postponed(effect, type(error).__name__, means),)
    except Exception as error:  # noqa: BLE001 - a bug in one effect must not cost the order its others
        log.exception("effect_broke", order_id=order.order_id, effect=effect.key)
        return (postponed(effect, type(error).__name__, means),)


async def _store_outcomes(before: Order, outcomes: Sequence[tuple[Effect, Outcome]], means: Means) -> Order | None:
    while True:
        after = before
        for effect, outcome in outcomes:
            after = _happened(after, effect, outcome, means.clock.now_ms())
        if after is before:
            return None
        after = replace(after, rev=before.rev + 1)  # one write, one rev
        if await means.store.replace(after, was_rev=before.rev):
            count_outcomes(means.metrics, before, after, [effect for effect, _ in outcomes])
            if _seen(after) != _seen(before):  # that a query was postponed is no news to anybody
                await means.bus.publish(after)
            return after
        before = await means.store.get(before.order_id)


def _happened(order: Order, effect: Effect, outcome: Outcome, now_ms: int) -> Order:
    """Apply an effect's outcome; one that contradicts what we know changes nothing, and waits for a person."""
    after = order
    try:
        for event in outcome:
            after = apply(after, event, now_ms=now_ms)
    except OrderError as error:
        reason = type(error).__name__
        alarm("effect_parked", order, effect, reason)
        return apply(order, EffectParked(effect.key, reason), now_ms=now_ms)
    return after


def _seen(order: Order) -> Order:
    parked = tuple(effect for effect in order.effects if effect.parked)  # for the operator
    return replace(order, rev=0, effects=parked)
