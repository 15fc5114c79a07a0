"""
Who opened an order's link, on the initiator's open pages.

Opening a link changes no order and raises no `rev`, so that it travels beside the states: whoever writes a visit down
says only that there was one, and each process that has the initiator reads again who came and gives him all of them.
Messages may be lost, doubled or late, as with the states; whatever makes a process read orders again makes it read
their visitors too, unless that was done not long ago.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import structlog

from server.bus.hub import Hub, Watcher
from server.domain.day_stats import Visitor
from server.errors import StoreError
from server.ports import StatsStore
from server.tasks import end

MAX_VISITORS: Final = 50
PAUSE_S: Final = 0.2  # a link that a whole group opens at once costs five reads a second
RETRY_S: Final = 1.0

# Orders are read again every few seconds while nothing is heard, all of them as one. Visitors cost a read for each
# order, and a name that comes late is no harm.
STALE_S: Final = 30.0

log = structlog.get_logger()


class VisitorsFrame(msgspec.Struct, frozen=True, tag="visitors", tag_field="type"):
    """All that are told of, who came last first."""

    visitors: Sequence[Visitor]


class Visits:
    """
    Fills hub.VisitReader: the initiators' watchers on this process, and the one task that reads for them. Belongs to
    the event loop it was made on.

    One order is read at a time, and however often it was asked for meanwhile, it is read once more: what is given last
    is what was read last.
    """

    def __init__(self, *, stats: StatsStore, hub: Hub) -> None:
        self._stats = stats
        self._watchers: dict[str, set[Watcher]] = {}
        self._read_at_s: dict[str, float] = {}  # by order id, of those watched here
        self._asked: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._encode = msgspec.json.Encoder().encode
        self._task = asyncio.get_running_loop().create_task(self._run(), name="daifu-visits")
        hub.report_visits_to(self)

    def attend(self, watcher: Watcher) -> None:
        """The initiator watches here: show him who came so far, and whoever comes."""
        if watcher.is_over:
            return  # he left while his order was being read
        self._watchers.setdefault(watcher.order_id, set()).add(watcher)
        self.ask([watcher.order_id])

    def leave(self, watcher: Watcher) -> None:
        """He is gone. Safe to repeat, and for watchers who never attended."""
        watchers = self._watchers.get(watcher.order_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(watcher.order_id, None)
            self._read_at_s.pop(watcher.order_id, None)

    def doubt(self, order_ids: Iterable[str]) -> None:
        """As `ask`, for those that were not read for a while."""
        before_s = asyncio.get_running_loop().time() - STALE_S
        self.ask([order_id for order_id in order_ids if self._read_at_s.get(order_id, before_s) <= before_s])

    def ask(self, order_ids: Iterable[str]) -> None:
        """Somebody may have opened the links of these orders; nothing is read for an initiator who is not here."""
        self._asked.update((order_id, None) for order_id in order_ids if order_id in self._watchers)
        if self._asked:
            self._wake.set()

    async def aclose(self) -> None:
        await end([self._task])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._asked = self._asked, {}
            for order_id in asked:
                await self._show(order_id)
            await asyncio.sleep(PAUSE_S)

    async def _show(self, order_id: str) -> None:
        try:
            if order_id in self._watchers:
                self._read_at_s[order_id] = asyncio.get_running_loop().time()
            visitors = await self._stats.visitors(order_id, limit=MAX_VISITORS)
            if visitors:
                self._tell(order_id, VisitorsFrame(visitors))
        except StoreError as error:
            log.warning("visitors_unread", order_id=order_id, reason=str(error))
            asyncio.get_running_loop().call_later(RETRY_S, self.ask, [order_id])
        except Exception:
            # A bug with one order must not end all reading.
            log.exception("visitors_unread", order_id=order_id)

    def _tell(self, order_id: str, frame: VisitorsFrame) -> None:
        payload = self._encode(frame)
        now_s = asyncio.get_running_loop().time()
        for watcher in tuple(self._watchers.get(order_id, ())):
            if watcher.is_over:
                self.leave(watcher)  # nothing may follow the hub's goodbye
                continue
            try:
                watcher.tell_aside(watcher.transport.framing(payload), now_s)
            except Exception:
                # One broken page must not cost the others their news; the hub will miss its signs of life.
                log.exception("watcher_failed", order_id=order_id)
