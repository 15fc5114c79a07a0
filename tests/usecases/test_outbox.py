"""Endpoints that are away or slow, on a clock that is moved; every receiver is real and verifies what it takes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from server.domain.delivery import RETRY_GAPS_S, Delivery, DeliveryState, sent_again
from server.domain.document import Order
from server.domain.effects import EffectKind
from server.domain.events import CloseRequested, Event, RefundState
from server.usecases.outbox import LEASE_MS, Outbox
from server.usecases.tell_merchant import deliveries_of
from server.webhooks.client import WebhookClient
from server.webhooks.signature import read_secret
from tests.builders import ORDER_ID, after, an_order, paid, refund_asked, refund_is, started
from tests.contracts.store_fillings import AnyStore, OpenStore, every_filling, open_sqlite
from tests.running import ShiftedClock
from tests.webhooks.receivers import SECRET, Receiver, a_receiver

HOUR_S = 3600
LIFE: tuple[Event, ...] = (started(), paid(), refund_asked(), refund_is(RefundState.SUCCESS))
LIFE_TOLD = ("payment.paid", "order.paid", "refund.success", "order.refunded")


class OutboxRig:
    """One log of deliveries, one clock, as many receivers and processes as a test wants."""

    def __init__(self, store: AnyStore, stack: AsyncExitStack) -> None:
        self.clock = ShiftedClock()
        self.deliveries = store.deliveries()
        self.stack = stack
        self.receivers: list[Receiver] = []

    async def receiver(self) -> Receiver:
        receiver = await self.stack.enter_async_context(a_receiver(lambda: self.clock.now_ms() / 1000))
        self.receivers.append(receiver)
        return receiver

    @asynccontextmanager
    async def process(self, **sender: Any) -> AsyncIterator[Outbox]:
        """A process that tells all receivers there are, until the end of the block."""
        keys = [read_secret(SECRET)]
        senders = {r.name: WebhookClient(r.url, keys, allow_private=True, **sender) for r in self.receivers}
        outbox = Outbox(self.deliveries, senders, clock=self.clock, jitter=lambda: 0.5)
        outbox.start()
        try:
            yield outbox
        finally:
            await outbox.aclose()

    async def happen(self, order: Order) -> None:
        """Let everything this order has to tell be kept, as the relay does it."""
        effects = [effect for effect in order.effects if effect.kind is EffectKind.WEBHOOK]
        names = [receiver.name for receiver in self.receivers]
        now_ms = self.clock.now_ms()
        for effect in effects:
            await self.deliveries.add(deliveries_of(order, effect, names, "https://pay.example.com", now_ms=now_ms))

    async def log(self, state: DeliveryState | None = None) -> Sequence[Delivery]:
        return await self.deliveries.latest(state=state, limit=1000)

    async def at_rest(self, outbox: Outbox) -> None:
        """Return once nothing is due and nothing is being sent."""
        async with asyncio.timeout(30):
            while True:
                await asyncio.sleep(0.002)  # nothing tells of a try that failed but asking
                due = [await self.deliveries.due(r.name, self.clock.now_ms(), limit=1) for r in self.receivers]
                if not any(due) and not outbox.under_way:
                    return

    async def climb(self, outbox: Outbox, *, within_s: float) -> None:
        """Move time on to each next try, until so many seconds are over or nothing waits any more."""
        end_ms = self.clock.now_ms() + within_s * 1000
        await self.at_rest(outbox)
        while waiting := [delivery for delivery in await self.log() if delivery.due_at_ms is not None]:
            next_ms = min(delivery.due_at_ms or 0 for delivery in waiting)
            if next_ms > end_ms:
                break
            self.clock.ahead_ms += max(0, next_ms - self.clock.now_ms()) + 1
            outbox.ring()
            await self.at_rest(outbox)
        self.clock.ahead_ms += max(0, int(end_ms - self.clock.now_ms()))


@pytest.fixture
def open_store() -> OpenStore:
    """Where the store makes no difference."""
    return open_sqlite


@pytest.fixture
async def rig(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[OutboxRig]:
    async with aclosing(await open_store(tmp_path)) as store, AsyncExitStack() as stack:
        yield OutboxRig(store, stack)


def a_life(order_id: str = ORDER_ID, *events: Event) -> Order:
    """Return an order that has been through all this, with everything it has to tell."""
    return replace(after(an_order(), *(events or LIFE)), order_id=order_id)


def an_id(number: int) -> str:
    return f"01K75X8QZ3M4N5P6R7S8T9{number:04d}"


@every_filling
async def test_down_for_a_day_and_up_again_each_event_comes_once_and_in_order(rig: OutboxRig) -> None:
    receiver = await rig.receiver()
    receiver.status = 503
    orders = [an_id(n) for n in range(3)]
    for order_id in orders:
        await rig.happen(a_life(order_id))
    async with rig.process() as outbox:
        await rig.climb(outbox, within_s=24 * HOUR_S)
        assert receiver.asked > 3 * 8
        assert receiver.events == []

        receiver.status = 204
        await rig.climb(outbox, within_s=5 * HOUR_S)

    for order_id in orders:
        assert [event for about, event in receiver.told if about == order_id] == list(LIFE_TOLD)
    ids = [event_id for event_id, _ in receiver.events]
    assert len(set(ids)) == len(ids) == 12
    assert len(await rig.log(DeliveryState.DELIVERED)) == 12


@every_filling
async def test_an_endpoint_that_stalls_does_not_delay_the_one_beside_it(rig: OutboxRig) -> None:
    stalling, good = await rig.receiver(), await rig.receiver()
    stalling.gate.clear()
    for number in range(20):
        await rig.happen(a_life(an_id(number), started(), paid()))
    async with rig.process() as outbox:
        await good.until(lambda: len(good.events) == 40)

        # Not one try of the other has come to its end; each of its places is taken, and no more.
        assert (stalling.asked, stalling.events) == (8, [])
        stalling.gate.set()
        await stalling.until(lambda: len(stalling.events) == 40)
        await rig.at_rest(outbox)


async def test_after_the_last_try_it_is_parked_with_an_alarm_and_a_person_can_send_it_again(
    rig: OutboxRig, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = await rig.receiver()
    receiver.status = 500
    await rig.happen(a_life(ORDER_ID, CloseRequested()))
    async with rig.process() as outbox:
        await rig.climb(outbox, within_s=48 * HOUR_S)
        (parked,) = await rig.log(DeliveryState.PARKED)
        assert (parked.tries, parked.reason) == (len(RETRY_GAPS_S) + 1, "http_500")
        assert "webhook_parked" in caplog.text

        receiver.status = 204
        await rig.deliveries.replace(sent_again(parked, rig.clock.now_ms()), was_rev=parked.rev)
        outbox.ring()
        await receiver.until(lambda: receiver.told == [(ORDER_ID, "order.closed")])
        await rig.at_rest(outbox)

    assert receiver.events[0][0] == parked.event_id


async def test_the_retries_go_on_for_more_than_a_day(rig: OutboxRig) -> None:
    receiver = await rig.receiver()
    receiver.status = 500
    await rig.happen(a_life(ORDER_ID, CloseRequested()))
    async with rig.process() as outbox:
        await rig.climb(outbox, within_s=25 * HOUR_S)

    (delivery,) = await rig.log()
    assert delivery.state is DeliveryState.WAITING


@every_filling
async def test_two_processes_tell_each_event_once(rig: OutboxRig) -> None:
    receiver = await rig.receiver()
    async with rig.process() as one, rig.process() as other:
        for number in range(20):
            await rig.happen(a_life(an_id(number)))
            one.ring()
            other.ring()
        await receiver.until(lambda: len(receiver.events) >= 80)
        await rig.at_rest(one)
        await rig.at_rest(other)

    assert len(receiver.events) == 80
    for number in range(20):
        assert [event for about, event in receiver.told if about == an_id(number)] == list(LIFE_TOLD)


async def test_what_a_process_that_died_was_sending_is_sent_by_the_next_after_its_lease(rig: OutboxRig) -> None:
    receiver = await rig.receiver()
    receiver.gate.clear()
    await rig.happen(a_life())
    async with rig.process(total_s=0.2) as dying:
        await receiver.until(lambda: receiver.asked == 1)
        for queue in dying._queues:
            for task in queue._working.values():
                task.cancel()
    receiver.gate.set()
    await receiver.until(lambda: len(receiver.events) == 1)  # taken, and nobody heard the answer
    receiver.events.clear()
    rig.clock.ahead_ms += LEASE_MS
    async with rig.process():
        await receiver.until(lambda: len(receiver.events) == 4)

    assert [event for _, event in receiver.told] == list(LIFE_TOLD)
