"""What is published here is noted for the statistics: the day of that order is to be added up again."""

from server.domain.days import day_of
from server.domain.document import Order
from server.domain.order_ids import order_made_at_ms
from server.ports import Bus


class NotingBus:
    """Fills ports.Bus with another bus; adds the day of every published order to `changed_days`."""

    def __init__(self, bus: Bus, changed_days: set[str]) -> None:
        self._bus = bus
        self._changed_days = changed_days

    async def publish(self, order: Order) -> None:
        self._changed_days.add(day_of(order_made_at_ms(order.order_id)))
        await self._bus.publish(order)

    async def publish_visit(self, order_id: str) -> None:
        await self._bus.publish_visit(order_id)

    @property
    def is_deaf(self) -> bool:
        return self._bus.is_deaf

    async def aclose(self) -> None:
        await self._bus.aclose()
