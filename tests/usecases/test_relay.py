"""The relay itself: claims, two of them at once, trouble in one order, and its end."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from server.domain.document import Order, OrderState, Payment, balance
from server.domain.effects import EffectKind, due_effects
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, RefundRequested
from server.errors import StoreUnavailable
from server.usecases import relay as relay_module
from server.usecases.relay import AT_ONCE, LEASE_MS
from server.usecases.run_effects import RUNNERS, run_effects
from tests.usecases.relay_rig import RelayRig, effect_of


class Through:
    """What the real part does, unless a subclass says otherwise."""

    def __init__(self, rig: RelayRig) -> None:
        self.rig = rig

    def __getattr__(self, name: str) -> object:
        return getattr(self.rig.gateway, name)


def test_every_kind_of_effect_has_a_runner() -> None:
    assert set(RUNNERS) == set(EffectKind)


async def test_an_order_with_nothing_left_to_do_is_never_claimed_again(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        order = await rig.at_rest(order_id)

    assert order.effects == ()
    assert order.due_at_ms is None
    assert await rig.store.claim_due(rig.clock.now_ms() + 10**9, lease_ms=1, limit=10) == []


async def test_two_relays_on_one_store_bring_every_effect_to_one_end(rig: RelayRig) -> None:
    orders = [await rig.place(60, 40) for _ in range(10)]
    for order_id in orders:
        for payer in ("小明", "老王"):
            await rig.pay(await rig.press(order_id, payer))
    async with rig.relay(), rig.relay():
        await rig.advance(6)
        for order_id in orders:
            await rig.until(order_id, lambda order: order.state is OrderState.PAID)
        await asyncio.gather(*(rig.happen(order_id, RefundRequested()) for order_id in orders))
        for order_id in orders:
            order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=7200)
            assert balance(order).refunded == 100

    refunds = Counter(refund["out_trade_no"] for refund in (await rig.ledger())["refunds"])
    assert len(refunds) == 20
    assert set(refunds.values()) == {1}
    # An order that is refunded this soon may be so before its reward; what was granted has been taken back.
    openids = [(await rig.person(name)).openid for name in ("小红", "小明", "老王")]
    ledger = [reward for openid in openids for reward in await rig.store.rewards_of(openid, limit=99)]
    assert len({reward.reward_id for reward in ledger}) == len(ledger)
    assert all(reward.taken_back_at_ms is not None for reward in ledger)


async def test_two_runs_of_one_snapshot_write_its_outcome_down_once(rig: RelayRig) -> None:
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    await rig.advance(6)
    snapshot = await rig.store.get(order_id)

    stored = await asyncio.gather(*(run_effects(snapshot, rig.means()) for _ in range(4)))

    order = await rig.store.get(order_id)
    assert [each for each in stored if each is not None] == [order]
    assert (order.state, order.rev, len(order.payments)) == (OrderState.PAID, snapshot.rev + 1, 1)


async def test_a_dead_process_s_orders_are_taken_over_when_its_lease_ends(rig: RelayRig) -> None:
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    await rig.advance(6)
    assert len(await rig.store.claim_due(rig.clock.now_ms(), lease_ms=LEASE_MS, limit=9)) == 1  # and it dies

    async with rig.relay():
        await rig.advance(LEASE_MS / 1000 - 8)
        assert await rig.store.claim_due(rig.clock.now_ms(), lease_ms=1, limit=9) == []
        assert (await rig.store.get(order_id)).state is OrderState.OPEN

        await rig.advance(8)
        await rig.until(order_id, lambda order: order.state is OrderState.PAID)


async def test_one_effect_that_hangs_or_breaks_keeps_no_other_order_waiting(
    rig: RelayRig, caplog: pytest.LogCaptureFixture
) -> None:
    hanging, broken, fine = [await rig.place() for _ in range(3)]
    for order_id in (hanging, broken, fine):
        await rig.pay(await rig.press(order_id))

    class Trouble(Through):
        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
            if payment.out_trade_no.startswith(hanging):
                await asyncio.Event().wait()
            if payment.out_trade_no.startswith(broken):
                raise ZeroDivisionError
            return await self.rig.gateway.query(payment, evidence=evidence)

    async with asyncio.timeout(10), rig.relay(Trouble(rig)) as relay:  # type: ignore[arg-type]
        await rig.advance(6)
        await rig.until(fine, lambda order: order.state is OrderState.PAID)
        order = await rig.until(broken, lambda order: effect_of(order, EffectKind.QUERY).tries == 1)
        assert effect_of(order, EffectKind.QUERY).reason == "ZeroDivisionError"
        assert any("effect_broke" in record.getMessage() for record in caplog.records)
        await relay.aclose()  # cuts off what hangs

    assert (await rig.store.get(hanging)).state is OrderState.OPEN


async def test_an_answer_that_comes_after_the_notify_changes_nothing(rig: RelayRig) -> None:
    """The published accident: a late time-out wrote "failed" over "paid"."""
    order_id = await rig.place()
    out_trade_no = await rig.press(order_id)
    asked, told = asyncio.Event(), asyncio.Event()

    class Slow(Through):
        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
            result = await self.rig.gateway.query(payment, evidence=evidence)  # NOTPAY
            asked.set()
            await told.wait()
            return result

    async with rig.relay(Slow(rig)):  # type: ignore[arg-type]
        await rig.advance(6)
        await asyncio.wait_for(asked.wait(), 10)
        await rig.pay(out_trade_no)
        paid = await rig.gateway.query((await rig.store.get(order_id)).payments[0], evidence=Evidence.NOTIFY)
        assert isinstance(paid, PaymentConfirmed)
        await rig.happen(order_id, paid)
        told.set()
        order = await rig.at_rest(order_id)

    assert (order.state, order.payments[0].evidence) == (OrderState.PAID, Evidence.NOTIFY)


async def test_what_runs_is_finished_before_the_relay_ends(rig: RelayRig) -> None:
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    asked, end = asyncio.Event(), asyncio.Event()

    class Slow(Through):
        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
            asked.set()
            await end.wait()
            return await self.rig.gateway.query(payment, evidence=evidence)

    async with rig.relay(Slow(rig)) as relay:  # type: ignore[arg-type]
        await rig.advance(6)
        await asyncio.wait_for(asked.wait(), 10)
        ending = asyncio.ensure_future(relay.aclose())
        end.set()
        await ending

    assert (await rig.store.get(order_id)).state is OrderState.PAID


async def test_with_every_place_taken_by_what_hangs_the_relay_ends_in_its_time_all_the_same(
    rig: RelayRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for a place to become free, and then as long again for what held them."""
    monkeypatch.setattr(relay_module, "DRAIN_S", 0.5)
    hanging: set[str] = set()
    all_hang = asyncio.Event()

    class Hanging(Through):
        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
            hanging.add(payment.out_trade_no)
            if len(hanging) == AT_ONCE:
                all_hang.set()
            await asyncio.Event().wait()
            raise AssertionError

    for _ in range(AT_ONCE):
        await rig.press(await rig.place())
    async with rig.relay(Hanging(rig)) as relay:  # type: ignore[arg-type]
        await rig.advance(6)
        await asyncio.wait_for(all_hang.wait(), 10)
        async with asyncio.timeout(0.9):
            await relay.aclose()


async def test_a_store_that_is_away_for_a_while_ends_no_relay(rig: RelayRig, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    claim_due = rig.store.claim_due
    failures = 0

    async def away(now_ms: int, *, lease_ms: int, limit: int) -> Sequence[Order]:
        nonlocal failures
        failures += 1
        if failures < 3:
            raise StoreUnavailable("away")
        return await claim_due(now_ms, lease_ms=lease_ms, limit=limit)

    monkeypatch.setattr(rig.store, "claim_due", away)
    async with rig.relay():
        await rig.advance(6)
        await rig.until(order_id, lambda order: order.state is OrderState.PAID)

    assert failures >= 3


async def test_a_hundred_orders_due_at_once_are_all_done(rig: RelayRig) -> None:
    orders = [await rig.place(ttl_s=60) for _ in range(100)]
    async with rig.relay():
        await rig.advance(61)
        for order_id in orders:
            await rig.until(order_id, lambda order: order.state is OrderState.CLOSED)

    closed = await rig.store.get_many(orders)
    assert [order for order in closed if due_effects(order.effects, rig.clock.now_ms())] == []
