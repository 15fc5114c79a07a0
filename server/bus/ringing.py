"""News of an order that has something to do wakes whoever does it."""

import asyncio

from server.domain.document import Order
from server.ports import Bus, Clock


class RingingBus:
    """Fills ports.Bus with another bus; rings `bell` when what is published here is due."""

    def __init__(self, bus: Bus, bell: asyncio.Event, clock: Clock) -> None:
        self._bus = bus
        self._bell = bell
        self._clock = clock

    async def publish(self, order: Order) -> None:
        if order.due_at_ms is not None and order.due_at_ms <= self._clock.now_ms():
            self._bell.set()
        await self._bus.publish(order)

    async def publish_visit(self, order_id: str) -> None:
        await self._bus.publish_visit(order_id)

    @property
    def is_deaf(self) -> bool:
        return self._bus.is_deaf

    async def aclose(self) -> None:
        await self._bus.aclose()
