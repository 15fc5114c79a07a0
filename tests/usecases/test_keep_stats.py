"""The job behind the statistics: what it adds up, when it does so again, and what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from server.domain.day_stats import LAST_ATTEMPT_MS, DayStats, Trace, TraceKind
from server.domain.days import DAY_MS, day_start_ms
from server.domain.document import Order
from server.domain.events import CloseRequested
from server.domain.order import apply
from server.domain.order_ids import first_order_id_at
from server.domain.user import User
from server.stores.sole_turn import SoleTurn
from server.stores.sqlite import SqliteStore
from server.stores.sqlite_stats import SqliteStats
from server.usecases.keep_stats import (
    LIVELY_AGE_MS,
    REFUNDABLE_AGE_MS,
    REST_PER_WORK,
    StatsKeeper,
    is_outdated,
)
from server.usecases.roll_up import PAGE, roll_up
from tests.builders import a_person
from tests.domain.histories import paid, placed

DAY = "2026-10-01"
NOON_MS = day_start_ms(DAY) + DAY_MS // 2


class StoppedClock:
    def __init__(self) -> None:
        self.time_ms = NOON_MS

    def now_ms(self) -> int:
        return self.time_ms


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        yield store


class Rig:
    """A keeper on a real file, with a clock that stands still."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.stats = SqliteStats(store.workers)
        self.clock = StoppedClock()
        self.changed_days: set[str] = set()
        self.monotonic_s = 0.0
        self.keeper = self.another_keeper()

    def another_keeper(self) -> StatsKeeper:
        """Return a keeper as a process has it that has just been started."""
        return StatsKeeper(
            store=self.store,
            stats=self.stats,
            turn=SoleTurn(),
            clock=self.clock,
            changed_days=self.changed_days,
            monotonic_s=lambda: self.monotonic_s,
        )

    async def day(self, day: str = DAY) -> DayStats:
        [found] = await self.stats.rollups(first=day, last=day)
        return found

    async def known(self, *names: str, first_seen_ms: int = NOON_MS) -> None:
        for name in names:
            openid = a_person(name).openid
            await self.store.remember_user(User(openid=openid, name=name, first_seen_ms=first_seen_ms))

    async def close(self, order: Order) -> None:
        """Change an order where nobody hears of it."""
        after = apply(await self.store.get(order.order_id), CloseRequested(), now_ms=self.clock.now_ms())
        assert await self.store.replace(after, was_rev=order.rev)


@pytest.fixture
def rig(store: SqliteStore) -> Rig:
    return Rig(store)


async def test_new_orders_are_found_by_their_ids_on_every_day_and_only_once(rig: Rig) -> None:
    for number in (0, 1, 5):
        await rig.store.insert(placed("阿花", NOON_MS + number * DAY_MS))
    rig.clock.time_ms += 5 * DAY_MS
    await rig.keeper.bring_up_to_date()
    as_of_ms = rig.clock.time_ms
    rig.clock.time_ms += 1
    await rig.store.insert(placed("小红", rig.clock.time_ms))
    await rig.keeper.bring_up_to_date()

    days = await rig.stats.rollups(first="2026-01-01", last="2026-12-31")
    assert [(day.day, day.funnel.created, day.as_of_ms - as_of_ms) for day in days] == [
        ("2026-10-01", 1, 0),
        ("2026-10-02", 1, 0),
        ("2026-10-06", 2, 1),
    ]
    assert [day.seeds for day in days] == [{"": 1}, {"2026-10-01": 1}, {"2026-10-02": 1, "": 1}]


async def test_a_keeper_that_starts_goes_on_where_the_last_one_stopped(rig: Rig) -> None:
    await rig.store.insert(placed("阿花", NOON_MS))
    await rig.keeper.bring_up_to_date()
    await rig.store.insert(placed("小红", NOON_MS + 1))

    await rig.another_keeper().bring_up_to_date()

    assert (await rig.day()).funnel.created == 2


async def test_a_day_somebody_heard_of_is_added_up_again_and_gives_the_same_when_nothing_changed(rig: Rig) -> None:
    order = placed("阿花", NOON_MS)
    await rig.store.insert(order)
    await rig.keeper.bring_up_to_date()
    before = await rig.day()
    rig.changed_days.add(DAY)
    await rig.keeper.bring_up_to_date()
    assert await rig.day() == before

    await rig.close(order)
    await rig.keeper.bring_up_to_date()
    assert await rig.day() == before  # nobody heard of it

    rig.changed_days.add(DAY)
    rig.clock.time_ms = order.expires_at_ms + LAST_ATTEMPT_MS
    await rig.keeper.bring_up_to_date()
    assert (await rig.day()).cohort.decided == 1
    assert rig.changed_days == set()


async def test_a_change_nobody_heard_of_is_found_within_the_age_of_its_day(rig: Rig) -> None:
    order = placed("阿花", NOON_MS)
    await rig.store.insert(order)
    await rig.keeper.bring_up_to_date()
    await rig.close(order)

    rig.clock.time_ms += LIVELY_AGE_MS + 1
    await rig.keeper.bring_up_to_date()

    assert (await rig.day()).as_of_ms == rig.clock.time_ms


@pytest.mark.parametrize(
    ("days_ago", "age_ms", "is_so"),
    [
        (0, LIVELY_AGE_MS, False),
        (0, LIVELY_AGE_MS + 1, True),
        (9, LIVELY_AGE_MS + 1, True),
        (10, LIVELY_AGE_MS + 1, False),
        (10, REFUNDABLE_AGE_MS + 1, True),
        (366, REFUNDABLE_AGE_MS + 1, True),
        (367, 10 * REFUNDABLE_AGE_MS, False),
    ],
)
def test_a_day_is_outdated_by_what_can_still_happen_to_it(days_ago: int, age_ms: int, is_so: bool) -> None:
    now_ms = NOON_MS + days_ago * DAY_MS

    assert is_outdated(DAY, now_ms - age_ms, now_ms) is is_so


async def test_who_paid_for_somebody_else_first_was_brought_by_him_though_nothing_is_earned(rig: Rig) -> None:
    await rig.known("小明", "阿花")
    await rig.known("老王", first_seen_ms=NOON_MS - DAY_MS)
    for number, (by, payer) in enumerate((("阿花", "小明"), ("小红", "小明"), ("阿花", "阿花"), ("阿花", "老王"))):
        await rig.store.insert(paid(placed(by, NOON_MS + number), payer, at_ms=NOON_MS, after_ms=0))

    await rig.keeper.bring_up_to_date()

    known = await rig.store.remember_user(User(openid=a_person("小明").openid, name="小明", first_seen_ms=1))
    assert known.brought_by == a_person("阿花").openid
    assert (await rig.day()).newcomers == 1
    assert (await rig.day("2026-09-30")).newcomers == 1  # 老王 was first seen the day before


async def test_traces_and_more_than_a_page_of_orders_are_added_up(rig: Rig) -> None:
    for number in range(PAGE + 1):
        order = placed(f"{number}", NOON_MS + number)
        await rig.store.insert(order)
        await rig.stats.leave_trace(Trace(order.order_id, TraceKind.OPENED, "oA", 1))

    done = await roll_up(DAY, store=rig.store, stats=rig.stats, clock=rig.clock)

    assert (done.stats.funnel.created, done.stats.funnel.opened) == (PAGE + 1, PAGE + 1)
    assert done.last_order_id == first_order_id_at(NOON_MS + PAGE)
    assert done.stats.seeds == {"": PAGE + 1}


async def test_a_day_that_changes_while_it_is_added_up_waits_for_the_next_round(rig: Rig) -> None:
    """Under load something has always changed; a round that took it all along would never end."""
    await rig.store.insert(placed("小红", NOON_MS))
    keep = rig.stats.keep_rollup
    rounds = 0

    async def keep_and_change(rollup: DayStats) -> None:
        nonlocal rounds
        rounds += 1
        await keep(rollup)
        rig.changed_days.add(DAY)

    rig.stats.keep_rollup = keep_and_change  # type: ignore[method-assign]

    for expected in (1, 2):
        async with asyncio.timeout(10):
            await rig.keeper.bring_up_to_date()
        assert rounds == expected
        assert rig.changed_days == {DAY}


async def test_after_work_it_rests_a_hundred_times_as_long(rig: Rig) -> None:
    await rig.store.insert(placed("阿花", NOON_MS))
    keep = rig.stats.keep_rollup

    async def keep_for_two_seconds(rollup: DayStats) -> None:
        rig.monotonic_s += 2
        await keep(rollup)

    rig.stats.keep_rollup = keep_for_two_seconds  # type: ignore[method-assign]
    await rig.keeper.look()
    rig.changed_days.add(DAY)

    for rested_s, left in ((2 * REST_PER_WORK - 1, {DAY}), (1, set())):
        rig.monotonic_s += rested_s
        await rig.keeper.look()
        assert rig.changed_days == left
