"""What a payment earns is in the ledger once, and leaves it with the money."""

import asyncio

import pytest

from server.domain.document import OrderState
from server.domain.effects import EffectKind
from server.domain.events import Evidence, PaymentConfirmed, RefundRequested
from server.domain.money import Fen
from server.domain.rewards import Reward
from server.domain.user import User
from server.usecases.reward_payment import reward_payment, take_back_reward
from tests.usecases.relay_rig import INITIATOR, RelayRig, effect_of


async def rewards_of(rig: RelayRig, name: str) -> list[Reward]:
    return [*await rig.store.rewards_of((await rig.person(name)).openid, limit=50)]


async def points(rig: RelayRig, name: str) -> list[int]:
    return [reward.points for reward in await rewards_of(rig, name) if reward.taken_back_at_ms is None]


async def a_settled_order(rig: RelayRig, payer: str = "小明", *, initiator: str = INITIATOR) -> str:
    """Return an order that is paid, and of which no relay knows yet."""
    order_id = await rig.place(initiator=initiator)
    out_trade_no = await rig.press(order_id, payer)
    paid = PaymentConfirmed(
        out_trade_no=out_trade_no,
        transaction_id=f"42{order_id}",
        amount=Fen(100),
        openid="",
        paid_at_ms=rig.clock.now_ms(),
        evidence=Evidence.NOTIFY,
    )
    assert (await rig.happen(order_id, paid)).state is OrderState.PAID
    return order_id


async def test_both_earn_and_the_payer_is_brought_by_the_initiator_for_ever(rig: RelayRig) -> None:
    payer, initiator = await rig.person("小明"), await rig.person(INITIATOR)
    await rig.store.remember_user(User(openid=payer.openid, name="小明", first_seen_ms=1))
    async with rig.relay():
        await rig.at_rest(await a_settled_order(rig))
        await rig.at_rest(await a_settled_order(rig, initiator="老王"))

    assert (await points(rig, INITIATOR), await points(rig, "老王")) == ([10], [10])
    assert await points(rig, "小明") == [5, 5]
    remembered = await rig.store.remember_user(User(openid=payer.openid, name="小明", first_seen_ms=9))
    assert remembered.brought_by == initiator.openid


async def test_the_order_says_what_was_granted_and_no_longer_when_it_was_taken_back(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await a_settled_order(rig)
        granted = (await rig.at_rest(order_id)).payments[0]
        again = (await rig.at_rest(await a_settled_order(rig))).payments[0]
        await rig.happen(order_id, RefundRequested())
        refunded = (await rig.at_rest(order_id)).payments[0]

    assert (granted.initiator_points, granted.payer_points) == (10, 5)
    assert (again.initiator_points, again.payer_points) == (0, 0)  # the pair has earned within the hour
    assert (refunded.initiator_points, refunded.payer_points) == (0, 0)


async def test_a_pair_earns_once_an_hour(rig: RelayRig) -> None:
    async with rig.relay():
        await rig.at_rest(await a_settled_order(rig))
        await rig.advance(3590)
        await rig.at_rest(await a_settled_order(rig))
        assert await points(rig, "小明") == [5]

        await rig.advance(20)
        await rig.at_rest(await a_settled_order(rig))
        assert await points(rig, "小明") == [5, 5]


async def test_two_payments_of_a_pair_that_are_rewarded_at_once_earn_once(rig: RelayRig) -> None:
    """Both looked before either had bound the pair, and both were granted."""
    orders = [await rig.store.get(await a_settled_order(rig)) for _ in range(2)]
    await asyncio.gather(*(reward_payment(o, effect_of(o, EffectKind.REWARD), rig.means()) for o in orders))

    assert (await points(rig, "小明"), await points(rig, INITIATOR)) == ([5], [10])


async def test_paying_oneself_earns_nothing(rig: RelayRig) -> None:
    async with rig.relay():
        await rig.at_rest(await a_settled_order(rig, INITIATOR))

    assert await rewards_of(rig, INITIATOR) == []


async def test_a_relay_that_dies_after_the_grant_grants_no_second_time(rig: RelayRig) -> None:
    order = await rig.store.get(await a_settled_order(rig))
    await reward_payment(order, effect_of(order, EffectKind.REWARD), rig.means())  # and then nothing is written down

    async with rig.relay():
        rig.bell.set()
        order = await rig.at_rest(order.order_id)

    assert (await points(rig, "小明"), await points(rig, INITIATOR)) == ([5], [10])
    assert not any(effect.kind is EffectKind.REWARD for effect in order.effects)


async def test_a_reward_goes_when_the_money_does(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await a_settled_order(rig)
        await rig.at_rest(order_id)
        await rig.happen(order_id, RefundRequested(amount=Fen(40)))
        await rig.at_rest(order_id)
        assert await points(rig, "小明") == [5]

        await rig.happen(order_id, RefundRequested())
        await rig.at_rest(order_id)

    assert await points(rig, "小明") == await points(rig, INITIATOR) == []
    assert len(await rewards_of(rig, "小明")) == 1


@pytest.mark.parametrize("first", ["grant", "take back"])
async def test_a_grant_and_its_taking_back_at_once_leave_nothing_granted(rig: RelayRig, first: str) -> None:
    """A process that read the order before the refund may grant after another one looked for rewards to take back."""
    before = await rig.store.get(await a_settled_order(rig))
    after = await rig.happen(before.order_id, RefundRequested())
    grant = effect_of(before, EffectKind.REWARD)
    if first == "take back":
        await take_back_reward(after, effect_of(after, EffectKind.TAKE_BACK_REWARD), rig.means())
    await reward_payment(before, grant, rig.means())

    async with rig.relay():
        await rig.climb(
            before.order_id,
            lambda order: not any("reward" in effect.kind for effect in order.effects),
            within_s=3600,
        )

    assert await points(rig, "小明") == await points(rig, INITIATOR) == []
