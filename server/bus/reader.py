"""Reading watched orders again, wherever news of them may have been missed."""

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Final

import structlog

from server.bus.hub import Hub
from server.errors import StoreError
from server.ports import Store
from server.tasks import end

MAX_BATCH: Final = 100  # a store that is slow today must still give one batch within the time a read may take
PAUSE_S: Final = 1.0

log = structlog.get_logger()


class Reader:
    """
    Reads orders from the store and offers them to the hub; their links may have been opened as well.

    One read is under way at a time, and everything asked for meanwhile is in the next one, so a slow store is never
    asked for more than it gives.
    """

    def __init__(self, *, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub
        self._asked: set[str] = set()
        self._wake = asyncio.Event()
        self.reads = 0
        self._task = asyncio.get_running_loop().create_task(self._run(), name="daifu-reader")

    def ask(self, order_ids: Iterable[str]) -> None:
        """Have these orders read soon; what is never watched again is harmless."""
        self._asked.update(order_ids)
        if self._asked:
            self._wake.set()

    async def aclose(self) -> None:
        await end([self._task])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            batch = list(islice(self._asked, MAX_BATCH))
            self._asked.difference_update(batch)
            if not self._asked:
                self._wake.clear()
            try:
                await self._read(batch)
            except StoreError as error:
                log.warning("reread_failed", orders=len(batch), reason=str(error))
                self.ask(batch)
                await asyncio.sleep(PAUSE_S)
            except Exception:
                # A bug in one read must not end all reading; whoever is deaf asks again.
                log.exception("reread_failed", orders=len(batch))

    async def _read(self, batch: list[str]) -> None:
        self.reads += 1
        self._hub.may_have_been_visited(batch)
        for order in await self._store.get_many(batch):
            self._hub.offer(order)
