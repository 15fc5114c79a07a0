"""The bus of a single process: publishing is telling our own hub."""

from server.bus.hub import Hub
from server.domain.document import Order


class LocalBus:
    """Fills ports.Bus where one process serves everybody."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def publish(self, order: Order) -> None:
        self._hub.offer(order)

    async def publish_visit(self, order_id: str) -> None:
        self._hub.visited([order_id])

    @property
    def is_deaf(self) -> bool:
        """There is nobody else to hear."""
        return False

    async def aclose(self) -> None:
        """Nothing is held."""
