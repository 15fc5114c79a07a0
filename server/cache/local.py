"""The cache of a single process."""

import re
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
        entry = self._entry(key)
        return None if entry is None else entry[0]

    async def put(self, key: str, value: str, *, ttl_s: int) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (value, self._monotonic_s() + ttl_s)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    async def delete(self, key: str) -> None:
        self._entries.pop(key, None)

    async def add(self, key: str, value: str, *, ttl_s: int) -> bool:
        if self._entry(key) is not None:
            return False
        await self.put(key, value, ttl_s=ttl_s)
        return True

    async def delete_if(self, key: str, value: str) -> None:
        if await self.get(key) == value:
            await self.delete(key)

    async def put_newest(self, key: str, value: str, *, ttl_s: int) -> None:
        before = await self.get(key)
        if before is None or _number(before) <= _number(value):
            await self.put(key, value, ttl_s=ttl_s)

    async def count(self, key: str, *, ttl_s: int) -> int:
        entry = self._entry(key)
        if entry is None:
            await self.put(key, "1", ttl_s=ttl_s)
            return 1
        counted, until_s = int(entry[0]) + 1, entry[1]
        self._entries[key] = (str(counted), until_s)
        return counted

    async def aclose(self) -> None:
        self._entries.clear()

    def _entry(self, key: str) -> tuple[str, float] | None:
        entry = self._entries.get(key)
        if entry is not None and entry[1] <= self._monotonic_s():
            del self._entries[key]
            return None
        return entry


def _number(value: str) -> int:
    digits = re.match(r"[0-9]+", value)
    return int(digits[0]) if digits else 0
