"""What a payment earns is granted once, and taken back when its money goes back."""

from collections.abc import Sequence

from server.domain.document import Order, find_attempt
from server.domain.effects import Effect, EffectKind
from server.domain.events import EffectFinished, PaymentRewarded
from server.domain.refunds import find_refund
from server.domain.rewards import RELATION_S, Reward, RewardKind, relation_key, reward_ids, rewards_for
from server.usecases.effect_means import Means, Outcome, postponed


async def reward_payment(order: Order, effect: Effect, means: Means) -> Outcome:
    """
    Bind the payer to the initiator and grant what both have earned.

    At most once per pair within the relation's hour. Where the cache forgets, a pair may earn sooner again; one payment
    never earns twice, because its rewards' ids are its own.
    """
    payment = find_attempt(order, effect.about)
    rewards = rewards_for(order, payment, means.rule, now_ms=means.clock.now_ms())
    if payment.payer.openid != order.initiator.openid:
        await means.store.bring_user(payment.payer.openid, brought_by=order.initiator.openid)
        key = relation_key(order, payment)
        # Bound before anything is granted: of two payments at once one alone earns. A repeat finds its own number.
        is_bound = await means.cache.add(key, payment.out_trade_no, ttl_s=RELATION_S)
        if not is_bound and await means.cache.get(key) not in (None, payment.out_trade_no):
            return (EffectFinished(effect.key),)
        for reward in rewards:
            await means.store.grant_reward(reward)
    return (_rewarded(effect, payment.out_trade_no, rewards),)


async def take_back_reward(order: Order, effect: Effect, means: Means) -> Outcome:
    """Take back what this refund's payment earned, once nothing of it is kept."""
    payment, _ = find_refund(order, effect.about)
    if any(other.key == f"{EffectKind.REWARD}:{payment.out_trade_no}" for other in order.effects):
        return (postponed(effect, "not_granted_yet", means),)  # or it would be granted after this
    if not payment.left:
        for reward_id in reward_ids(payment):
            await means.store.take_back_reward(reward_id, means.clock.now_ms())
        return (_rewarded(effect, payment.out_trade_no, ()),)
    return (EffectFinished(effect.key),)


def _rewarded(effect: Effect, out_trade_no: str, rewards: Sequence[Reward]) -> PaymentRewarded:
    points = {reward.kind: reward.points for reward in rewards}
    return PaymentRewarded(
        key=effect.key,
        out_trade_no=out_trade_no,
        initiator_points=points.get(RewardKind.INITIATOR, 0),
        payer_points=points.get(RewardKind.PAYER, 0),
    )
