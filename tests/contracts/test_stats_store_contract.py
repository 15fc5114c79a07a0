"""What every store of statistics promises, promise by promise."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from server.domain.day_stats import Cohort, DayStats, Funnel, Parked, Tally, Trace, TraceKind, Visitor
from server.domain.events import Evidence, RefundState
from server.domain.user import User
from server.ports import MAX_TRACES, StatsStore, Store
from server.stores.mongo import MongoStore
from server.stores.mongo_stats import MongoStats
from server.stores.sqlite import SqliteStore
from server.stores.sqlite_stats import SqliteStats
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.stores.stored_orders import an_order, order_id

pytestmark = every_filling

A_DAY = DayStats(
    day="2026-10-01",
    as_of_ms=5,
    funnel=Funnel(created=3, shared=2, opened=2, started=1, paid=1, kept=1),
    cohort=Cohort(decided=2, paid=1, kept=1),
    payments={"2026-10-01": Tally(1, 2**40)},
    kept_amount=2**40,
    evidence={Evidence.NOTIFY: 1},
    delays=(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    refunds={RefundState.DUE: Tally(1, 7)},
    parked=(Parked(order_id(1), "refund:x", "ERROR", 3),),
    parked_count=1,
    seeds={"": 2, "2026-09-30": 1},
    newcomers=4,
)


@pytest.fixture
async def store(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with aclosing(await open_store(tmp_path)) as store:
        yield store


@pytest.fixture
def stats(store: Store) -> StatsStore:
    if isinstance(store, SqliteStore):
        return SqliteStats(store.workers)
    assert isinstance(store, MongoStore)
    return MongoStats(store)


async def test_a_trace_is_kept_once_for_each_order_person_and_kind(stats: StatsStore) -> None:
    for _ in range(2):
        await stats.leave_trace(Trace(order_id(2), TraceKind.OPENED, "oA", 1))
    await stats.leave_trace(Trace(order_id(2), TraceKind.SHARED, "oB", 2))
    await stats.leave_trace(Trace(order_id(3), TraceKind.OPENED, "oA", 3))
    await stats.leave_trace(Trace(order_id(4), TraceKind.OPENED, "oA", 4))

    assert await stats.traces(first=order_id(1), last=order_id(3)) == {
        order_id(2): {TraceKind.OPENED, TraceKind.SHARED},
        order_id(3): {TraceKind.OPENED},
    }


async def test_a_crowd_leaves_no_more_traces_than_an_order_has_room_for(stats: StatsStore) -> None:
    for number in range(MAX_TRACES):
        await stats.leave_trace(Trace(order_id(1), TraceKind.OPENED, f"o{number}", 1))

    await stats.leave_trace(Trace(order_id(1), TraceKind.SHARED, "one too many", 1))
    await stats.leave_trace(Trace(order_id(2), TraceKind.SHARED, "of another order", 1))

    assert await stats.traces(first=order_id(1), last=order_id(2)) == {
        order_id(1): {TraceKind.OPENED},
        order_id(2): {TraceKind.SHARED},
    }


async def test_visitors_are_those_who_opened_the_link_the_last_one_first(store: Store, stats: StatsStore) -> None:
    for openid, name in (("oA", "小红"), ("oB", "小明"), ("oC", "老王")):
        await store.remember_user(User(openid=openid, name=name, avatar=f"{name}.png", first_seen_ms=1))
    await stats.leave_trace(Trace(order_id(1), TraceKind.SHARED, "oA", 1))
    for at_ms, openid in enumerate(("oForgotten", "oB", "oC"), start=2):
        await stats.leave_trace(Trace(order_id(1), TraceKind.OPENED, openid, at_ms))
    await stats.leave_trace(Trace(order_id(2), TraceKind.OPENED, "oA", 9))

    assert await stats.visitors(order_id(1), limit=9) == [
        Visitor("老王", "老王.png", 4),
        Visitor("小明", "小明.png", 3),
    ]
    assert len(await stats.visitors(order_id(1), limit=1)) == 1


async def test_the_order_before_is_found_for_each_initiator_who_has_one(store: Store, stats: StatsStore) -> None:
    for number, openid in ((1, "oA"), (2, "oB"), (3, "oA"), (5, "oA"), (6, "oC")):
        await store.insert(an_order(number, openid=openid))

    assert await stats.last_orders(["oA", "oB", "oC", "oD"], before=order_id(5)) == {
        "oA": order_id(3),
        "oB": order_id(2),
    }
    assert await stats.last_orders([], before=order_id(9)) == {}


async def test_newcomers_are_those_who_were_brought_and_first_seen_in_time(store: Store, stats: StatsStore) -> None:
    for openid, first_seen_ms in (("oA", 99), ("oB", 100), ("oC", 199), ("oD", 200), ("oE", 150)):
        await store.remember_user(User(openid=openid, name="小明", first_seen_ms=first_seen_ms))
    for openid in ("oA", "oB", "oC", "oD"):
        await store.bring_user(openid, brought_by="oZ")

    assert await stats.count_newcomers(from_ms=100, before_ms=200) == 2
    assert await stats.unbrought(["oA", "oE", "nobody"]) == {"oE": 150}


async def test_a_days_rollup_comes_back_as_it_was_kept(stats: StatsStore) -> None:
    bare = DayStats(day="2026-10-03", as_of_ms=1)
    await stats.keep_rollup(bare)
    await stats.keep_rollup(A_DAY)

    assert await stats.rollups(first="2026-10-01", last="2026-10-03") == [A_DAY, bare]
    assert await stats.rollups(first="2026-10-02", last="2026-10-02") == []


async def test_a_rollup_that_was_begun_earlier_does_not_replace_a_newer_one(stats: StatsStore) -> None:
    newer, older = DayStats(day="2026-10-01", as_of_ms=2, newcomers=2), DayStats(day="2026-10-01", as_of_ms=1)
    await stats.keep_rollup(older)
    await stats.keep_rollup(newer)
    await stats.keep_rollup(older)

    assert await stats.rollups(first="2026-10-01", last="2026-10-01") == [newer]
