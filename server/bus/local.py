"""The bus of a single process: publishing is telling our own hub."""

from server.bus.hub import Hub
from server.domain.document import Order


class LocalBus:
    """Fills ports.Bus where one process serves everybody."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def publish(self, order: Order) -> None:
        self._hub.offer(order)

    async def aclose(self) -> None:
        """Nothing is held."""
