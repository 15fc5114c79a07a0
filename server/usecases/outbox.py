"""
The merchant's endpoints are told: one queue for each of them, an order's events one after the other.

A queue sends for a few orders at a time. An endpoint that is slow or away fills its own queue only; the relay and every
other endpoint go on. Whoever sends holds a lease on the delivery, so of many processes one sends it; if that one dies,
another sends it again, under the same id.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from server.domain.delivery import Delivery, DeliveryState, behind, delivered, failed, leased
from server.errors import StoreUnavailable, WebhookFailed
from server.ports import Clock, Deliveries, WebhookSender

AT_ONCE: Final = 8  # orders told to one endpoint
LOOK_AHEAD: Final = 8 * AT_ONCE  # deliveries read at once: those of one order are sent by one task
LEASE_MS: Final = 30_000  # far beyond what one event may take
POLL_S: Final = 1.0
DRAIN_S: Final = 6.0

_log = structlog.get_logger("server.outbox")


class Outbox:
    """
    Works from `start` to `aclose`, on one event loop.

    Args:
        senders: By the endpoint's name; closed with this.
        jitter: Returns a random number from 0 to 1.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        senders: Mapping[str, WebhookSender],
        *,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._deliveries = deliveries
        self._senders = senders
        self._queues = [
            EndpointQueue(name, sender, deliveries, clock=clock, jitter=jitter) for name, sender in senders.items()
        ]

    @property
    def endpoints(self) -> Sequence[str]:
        """The names of all who are told."""
        return tuple(self._senders)

    @property
    def under_way(self) -> int:
        """How many orders' events are being sent just now."""
        return sum(queue.under_way for queue in self._queues)

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """
        Keep these for sending, in their order; those that were kept before stay as they are.

        Raises:
            StoreUnavailable: Unknown whether all were kept; put them again.
        """
        if deliveries:
            await self._deliveries.add(deliveries)
            self.ring()

    def ring(self) -> None:
        """Have every queue look now: something may have become due."""
        for queue in self._queues:
            queue.bell.set()

    def start(self) -> None:
        for queue in self._queues:
            queue.start()

    async def aclose(self) -> None:
        """Begin nothing more and finish what is being sent. Safe to repeat."""
        await asyncio.gather(*(queue.aclose() for queue in self._queues))
        await asyncio.gather(*(sender.aclose() for sender in self._senders.values()))


class EndpointQueue:
    """
    One endpoint's deliveries.

    `bell` is set when one may have become due, so that nobody waits for the next poll.
    """

    def __init__(
        self,
        endpoint: str,
        sender: WebhookSender,
        deliveries: Deliveries,
        *,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self.bell = asyncio.Event()
        self._endpoint = endpoint
        self._sender = sender
        self._deliveries = deliveries
        self._clock = clock
        self._jitter = jitter
        self._serving: asyncio.Task[None] | None = None
        self._working: dict[str, asyncio.Task[None]] = {}  # by order id
        self._is_closing = False

    @property
    def under_way(self) -> int:
        return len(self._working)

    def start(self) -> None:
        self._serving = asyncio.create_task(self._serve_until_closed())

    async def aclose(self) -> None:
        """Finish what is being sent; what takes too long is left to its lease."""
        self._is_closing = True
        self.bell.set()
        tasks = [task for task in (self._serving, *self._working.values()) if task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _serve_until_closed(self) -> None:
        while not self._is_closing:
            self.bell.clear()
            for delivery in await self._due():
                if delivery.order_id not in self._working and len(self._working) < AT_ONCE:
                    self._working[delivery.order_id] = asyncio.create_task(self._work_off(delivery))
            await self._rest()

    async def _due(self) -> Sequence[Delivery]:
        try:
            return await self._deliveries.due(self._endpoint, self._clock.now_ms(), limit=LOOK_AHEAD)
        except StoreUnavailable as error:
            _log.warning("outbox_cannot_read", endpoint=self._endpoint, reason=error.reason)
        except Exception:  # noqa: BLE001 - the loop must outlive a bug: nothing else would tell this endpoint
            _log.exception("outbox_broke", endpoint=self._endpoint)
        return ()

    async def _work_off(self, delivery: Delivery) -> None:
        is_changed = False
        try:
            is_changed = await self._tell_of(delivery)
        except StoreUnavailable as error:
            _log.warning("delivery_left_to_its_lease", delivery_id=delivery.delivery_id, reason=error.reason)
        except Exception:  # noqa: BLE001 - nobody waits for this task, and a bug must be heard of
            _log.exception("delivery_broke", delivery_id=delivery.delivery_id)
        finally:
            del self._working[delivery.order_id]
            if is_changed:  # else there is nothing to see before somebody else is done
                self.bell.set()

    async def _tell_of(self, due: Delivery) -> bool:
        """
        Send what waits of this order, from the earliest on, as long as it is taken.

        Return whether anything has changed by it: another process may be telling of this order.
        """
        row = await self._deliveries.waiting(due.order_id, self._endpoint, limit=AT_ONCE)
        if not row:
            return False
        first = row[0]
        if (first.due_at_ms or 0) > self._clock.now_ms():
            if first.state is DeliveryState.SENDING or first.delivery_id == due.delivery_id:
                return False
            return await self._deliveries.replace(behind(due, first), was_rev=due.rev)
        for delivery in row:
            if self._is_closing or not await self._send(delivery):
                break
        return True

    async def _send(self, delivery: Delivery) -> bool:
        """Send it, unless somebody changed it since it was read; return whether the endpoint took it."""
        now_ms = self._clock.now_ms()
        ours = leased(delivery, now_ms + LEASE_MS)
        if not await self._deliveries.replace(ours, was_rev=delivery.rev):
            return False
        try:
            await self._sender.send(delivery.event_id, delivery.body.encode(), now_s=now_ms // 1000)
        except WebhookFailed as refused:
            await self._put_off(ours, refused.reason)
            return False
        return await self._deliveries.replace(delivered(ours, self._clock.now_ms()), was_rev=ours.rev)

    async def _put_off(self, delivery: Delivery, reason: str) -> None:
        after = failed(delivery, reason, self._clock.now_ms(), jitter=self._jitter())
        facts = {"delivery_id": delivery.delivery_id, "tries": after.tries, "reason": reason}
        if after.state is DeliveryState.PARKED:
            _log.critical("webhook_parked", **facts)
        else:
            _log.warning("webhook_failed", **facts)
        await self._deliveries.replace(after, was_rev=delivery.rev)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self.bell.wait()
        except TimeoutError:
            return
