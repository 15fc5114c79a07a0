"""
The job that keeps every day's roll-up near the truth.

New orders are found by their ids, which only grow. What changes an order that is there is heard of where it is
published, and that is a hint: it may be lost with the process, or happen in another one. So days are added up again
after a while in any case: soon while their orders can still be paid, daily while they can still be refunded.

Of many processes one adds up: whose turn it is. The others tell it what they hear, and take over when its lease ends.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex
from typing import Final

import structlog

from server.domain.days import DAY_MS, day_of, day_start_ms
from server.domain.order_ids import first_order_id_at, order_made_at_ms
from server.errors import StoreError
from server.ports import Clock, StatsStore, StatsTurn, Store
from server.tasks import end
from server.usecases.roll_up import RolledUp, just_below, roll_up

# An order is open for seven days at most, and its last attempt a little longer.
LIVELY_DAYS: Final = 9
LIVELY_AGE_MS: Final = 15 * 60_000

# WeChat refunds for a year.  Source: WeChat Pay API v2, "refund".
REFUNDABLE_DAYS: Final = 366
REFUNDABLE_AGE_MS: Final = DAY_MS

POLL_S: Final = 2.0
TURN_MS: Final = 60_000  # whoever died leaves the work to the next one, so much later
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

    def __init__(
        self,
        *,
        store: Store,
        stats: StatsStore,
        turn: StatsTurn,
        clock: Clock,
        changed_days: set[str],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._stats = stats
        self._turn = turn
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._name = token_hex(8)
        self._turn_until_ms = 0  # 0 while it is not this keeper's
        self._rested_at_s = 0.0
        self._as_of_ms: dict[str, int] | None = None  # by day; None until the kept roll-ups were looked through
        self._known_id = ""  # of the newest order that was added up
        self._changed = changed_days
        self._working = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep the roll-ups near the truth."""
        self._task = asyncio.create_task(self._work_until_closed())

    async def aclose(self) -> None:
        """Stop, at once: what was not added up will be, by whoever comes next. Safe to repeat."""
        if self._task is not None:
            await end([self._task])
        if self._turn_until_ms:
            self._turn_until_ms = 0
            with suppress(StoreError):  # then the lease runs out
                await self._turn.give_back(self._name)

    async def look(self) -> None:
        """
        Bring the days up to date if it is this keeper's turn and it has rested; else tell what it heard.

        Raises:
            StoreUnavailable: Not done, or not to its end; call again.
        """
        if not await self._has_turn():
            self._as_of_ms = None  # somebody else moves them on
            await self._tell()
        elif self._monotonic_s() >= self._rested_at_s:
            began_s = self._monotonic_s()
            try:
                self._changed |= await self._turn.told()
                await self.bring_up_to_date()
            finally:
                ended_s = self._monotonic_s()
                self._rested_at_s = ended_s + REST_PER_WORK * (ended_s - began_s)

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
        if self._turn_until_ms:
            await self._has_turn()  # a year of days takes longer than a lease
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
            try:
                await self.look()
            except StoreError as error:
                log.warning("statistics_late", reason=str(error))
            except Exception:  # the next round may work, and nobody waits for this task
                log.exception("statistics_broke")
            await asyncio.sleep(POLL_S)

    async def _has_turn(self) -> bool:
        """Take the turn, or keep it: at half of its time it is made as long as before."""
        now_ms = self._clock.now_ms()
        if self._turn_until_ms - now_ms > TURN_MS // 2:
            return True
        has = await self._turn.take(self._name, now_ms=now_ms, lease_ms=TURN_MS)
        self._turn_until_ms = now_ms + TURN_MS if has else 0
        return has

    async def _tell(self) -> None:
        heard = frozenset(self._changed)
        self._changed -= heard  # before, so that what changes meanwhile is told again
        if not heard:
            return
        try:
            await self._turn.tell(heard)
        except BaseException:
            self._changed |= heard
            raise
