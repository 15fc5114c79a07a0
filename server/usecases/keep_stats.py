"""
The job that keeps every day's roll-up near the truth.

New orders are found by their ids, which only grow. What changes an order that is there is heard of where it is
published, and that is a hint: it may be lost with the process, or happen in another one. So days are added up again
after a while in any case: soon while their orders can still be paid, daily while they can still be refunded.
"""

import asyncio
import time
from typing import Final

import structlog

from server.domain.days import DAY_MS, day_of, day_start_ms
from server.domain.order_ids import first_order_id_at, order_made_at_ms
from server.errors import StoreError
from server.ports import Clock, StatsStore, Store
from server.tasks import end
from server.usecases.roll_up import RolledUp, just_below, roll_up

# An order is open for seven days at most, and its last attempt a little longer.
LIVELY_DAYS: Final = 9
LIVELY_AGE_MS: Final = 15 * 60_000

# WeChat refunds for a year.  Source: WeChat Pay API v2, "refund".
REFUNDABLE_DAYS: Final = 366
REFUNDABLE_AGE_MS: Final = DAY_MS

POLL_S: Final = 2.0
REST_PER_WORK: Final = 100  # a job for reports takes a hundredth of a core, or of the database, at most

_EVERY_DAY: Final = ("0000-00-00", "9999-99-99")
_AFTER_EVERY_ID: Final = "~"

log: Final = structlog.get_logger(__name__)


def is_outdated(day: str, as_of_ms: int, now_ms: int) -> bool:
    """Is it time to add this day up again, though nobody heard of a change?"""
    days_ago = (now_ms - day_start_ms(day)) // DAY_MS
    age_ms = now_ms - as_of_ms
    if days_ago <= LIVELY_DAYS:
        return age_ms > LIVELY_AGE_MS
    return days_ago <= REFUNDABLE_DAYS and age_ms > REFUNDABLE_AGE_MS


class StatsKeeper:
    """
    Works from `start` to `aclose`, on one event loop.

    Args:
        changed_days: Whoever hears that an order changed adds its day.
    """

    def __init__(self, *, store: Store, stats: StatsStore, clock: Clock, changed_days: set[str]) -> None:
        self._store = store
        self._stats = stats
        self._clock = clock
        self._as_of_ms: dict[str, int] | None = None  # by day; None until the kept roll-ups were looked through
        self._known_id = ""  # of the newest order that was added up
        self._changed = changed_days
        self._working = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep the roll-ups near the truth."""
        self._task = asyncio.create_task(self._work_until_closed())

    async def aclose(self) -> None:
        """Stop, at once: what was not added up will be. Safe to repeat."""
        if self._task is not None:
            await end([self._task])

    async def bring_up_to_date(self) -> None:
        """
        Add up every day that is new, changed or outdated.

        Raises:
            StoreUnavailable: Some days are not up to date; call again.
        """
        async with self._working:
            as_of_ms = await self._look_through()
            new = await self._add_up_new()
            now_ms = self._clock.now_ms()
            # What changes from here on waits for the next round: under load there is always something.
            days = (self._changed | {day for day, age in as_of_ms.items() if is_outdated(day, age, now_ms)}) - new
            while days:
                day = min(days)
                days.discard(day)
                days |= (await self._add_up(day)).also

    async def _add_up_new(self) -> set[str]:
        """Add up each day that has orders nobody has added up, once; return these days."""
        days: set[str] = set()
        while found := await self._store.scan(after=self._known_id, before=_AFTER_EVERY_ID, limit=1):
            day = day_of(order_made_at_ms(found[0].order_id))
            if day in days:
                break  # made meanwhile
            days.add(day)
            done = await self._add_up(day)
            self._known_id = done.last_order_id or found[0].order_id
            self._changed |= done.also
        return days

    async def _look_through(self) -> dict[str, int]:
        """Return which days were added up, and when. At first ask the store: what is new begins with the newest day."""
        if self._as_of_ms is None:
            first, last = _EVERY_DAY
            self._as_of_ms = {day.day: day.as_of_ms for day in await self._stats.rollups(first=first, last=last)}
            if self._as_of_ms:
                self._known_id = just_below(first_order_id_at(day_start_ms(max(self._as_of_ms))))
        return self._as_of_ms

    async def _add_up(self, day: str) -> RolledUp:
        self._changed.discard(day)  # before, so that what changes meanwhile counts again
        try:
            done = await roll_up(day, store=self._store, stats=self._stats, clock=self._clock)
        except BaseException:
            self._changed.add(day)
            raise
        if self._as_of_ms is not None:
            self._as_of_ms[day] = done.stats.as_of_ms
        return done

    async def _work_until_closed(self) -> None:
        while True:
            began_s = time.monotonic()
            try:
                await self.bring_up_to_date()
            except StoreError as error:
                log.warning("statistics_late", reason=str(error))
            except Exception:  # the next round may work, and nobody waits for this task
                log.exception("statistics_broke")
            await asyncio.sleep(max(POLL_S, REST_PER_WORK * (time.monotonic() - began_s)))
