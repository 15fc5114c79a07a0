"""
That a link was taken or opened is written down beside the orders, after the page was answered.

Nobody waits for it and nothing depends on it but the statistics: what cannot be kept now is left to the next visit.
"""

import asyncio
from typing import Final

import structlog

from server.domain.day_stats import Trace, TraceKind
from server.domain.days import day_of
from server.domain.document import Order
from server.domain.order_ids import order_made_at_ms
from server.errors import StoreError
from server.ports import Bus, Clock, StatsStore

MAX_REMEMBERED: Final = 10_000
MAX_UNDER_WAY: Final = 32

log: Final = structlog.get_logger(__name__)

_Key = tuple[str, TraceKind, str]


class Traces:
    """
    Leaves each trace once, and tells the initiator's pages who opened the link. Belongs to one event loop.

    The last ones are remembered here, so that a page which is opened again costs the store nothing.
    """

    def __init__(self, *, stats: StatsStore, bus: Bus, clock: Clock, changed_days: set[str]) -> None:
        self._stats = stats
        self._bus = bus
        self._clock = clock
        self._changed_days = changed_days
        self._left: dict[_Key, None] = {}  # the oldest first
        self._under_way: set[asyncio.Task[None]] = set()

    def leave(self, order: Order, kind: TraceKind, openid: str) -> None:
        """Write down soon what this person did to the order's link. An initiator does not open his own."""
        key = (order.order_id, kind, openid)
        is_own = openid == order.initiator.openid
        if is_own == (kind is TraceKind.OPENED) or key in self._left or len(self._under_way) >= MAX_UNDER_WAY:
            return
        self._left[key] = None
        if len(self._left) > MAX_REMEMBERED:
            del self._left[next(iter(self._left))]
        task = asyncio.create_task(self._leave(key))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def aclose(self) -> None:
        """Finish what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _leave(self, key: _Key) -> None:
        order_id, kind, openid = key
        try:
            await self._stats.leave_trace(Trace(order_id, kind, openid, self._clock.now_ms()))
            self._changed_days.add(day_of(order_made_at_ms(order_id)))
            if kind is TraceKind.OPENED:
                await self._bus.publish_visit(order_id)
        except StoreError as error:
            self._left.pop(key, None)
            log.warning("trace_not_left", order_id=order_id, reason=str(error))
