"""
Whether an initiator is looking at his order, on whatever process his page is connected to.

Each process writes down for which orders it has him, and says so again before that is forgotten. No news means that he
does not look: then he is sent a message, and one too many is harmless.
"""

import asyncio
from collections import Counter
from typing import Final

from server.ports import Cache

REFRESH_S: Final = 10
KEPT_S: Final = 25  # two refreshes may get lost
AT_ONCE: Final = 500  # writes, all in one piece of bytes


class CachedPresence:
    """Fills ports.Presence. `refresh` has to be called every `REFRESH_S`."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._pages: Counter[str] = Counter()  # on this process, by order
        self._forgetting: set[asyncio.Task[None]] = set()

    async def arrive(self, order_id: str) -> None:
        """A page of the initiator's has connected here."""
        self._pages[order_id] += 1
        await self._say(order_id)

    def leave(self, order_id: str) -> None:
        """It has gone; once for each `arrive`."""
        self._pages[order_id] -= 1
        if self._pages[order_id] <= 0:
            del self._pages[order_id]
            # Another process that has him too says so again within REFRESH_S.
            task = asyncio.create_task(self._cache.delete(_key(order_id)))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    async def is_watching(self, order_id: str) -> bool:
        return order_id in self._pages or await self._cache.get(_key(order_id)) is not None

    async def refresh(self) -> None:
        """Say again whom this process has."""
        here = tuple(self._pages)
        for start in range(0, len(here), AT_ONCE):
            await asyncio.gather(*(self._say(order_id) for order_id in here[start : start + AT_ONCE]))

    async def aclose(self) -> None:
        """Let go of whoever left last."""
        await asyncio.gather(*self._forgetting)

    async def _say(self, order_id: str) -> None:
        await self._cache.put(_key(order_id), "1", ttl_s=KEPT_S)


def _key(order_id: str) -> str:
    return f"initiator_watches:{order_id}"
