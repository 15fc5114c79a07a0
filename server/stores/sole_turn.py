"""Whose turn it is to add days up, where one process alone has the orders: kept in its memory."""

from collections.abc import Collection


class SoleTurn:
    """Fills `ports.StatsTurn`."""

    def __init__(self) -> None:
        self._holder = ""
        self._until_ms = 0
        self._days: set[str] = set()

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> bool:
        if self._holder not in ("", holder) and self._until_ms > now_ms:
            return False
        self._holder, self._until_ms = holder, now_ms + lease_ms
        return True

    async def give_back(self, holder: str) -> None:
        if self._holder == holder:
            self._holder = ""

    async def tell(self, days: Collection[str]) -> None:
        self._days |= set(days)

    async def told(self) -> frozenset[str]:
        days, self._days = frozenset(self._days), set()
        return days
