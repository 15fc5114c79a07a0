"""The cache of a single process."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_ENTRIES: Final = 100_000


class LocalCache:
    """Fills ports.Cache in memory. When it is full the entry that was written longest ago gives way."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._entries: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def get(self, key: str) -> str | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, until_s = entry
        if until_s <= self._monotonic_s():
            del self._entries[key]
            return None
        return value

    async def put(self, key: str, value: str, *, ttl_s: int) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (value, self._monotonic_s() + ttl_s)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    async def delete(self, key: str) -> None:
        self._entries.pop(key, None)

    async def aclose(self) -> None:
        self._entries.clear()
