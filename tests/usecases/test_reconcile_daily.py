"""Every day by itself, in one process only."""

import asyncio
from typing import Final

import pytest

from server.domain.bill import BillDay
from server.domain.document import OrderState
from server.ports import Reconciliations
from server.stores.sqlite import SqliteStore
from server.usecases.reconcile_daily import CATCH_UP_DAYS, LEASE_MS, DailyReconciliation
from tests.usecases.relay_rig import PATIENCE_S, RelayRig

HALF_PAST_TEN_MS: Final = (10 * 60 + 30) * 60_000


@pytest.fixture
def reconciliations(rig: RelayRig) -> Reconciliations:
    assert isinstance(rig.store, SqliteStore)
    return rig.store.reconciliations()


def a_daily(rig: RelayRig, reconciliations: Reconciliations) -> DailyReconciliation:
    return DailyReconciliation(rig.means(), reconciliations, at_ms=HALF_PAST_TEN_MS)


@pytest.fixture
async def day(rig: RelayRig) -> BillDay:
    """Tomorrow, on whose noon an order was paid unheard; it is 10:29 the day after."""
    day = BillDay.of(rig.clock.now_ms()).earlier(-1)
    await rig.advance((day.start_ms + 12 * 3_600_000 - rig.clock.now_ms()) / 1000)
    await rig.pay(await rig.press(await rig.place()))
    await rig.advance((day.end_ms + HALF_PAST_TEN_MS - 60_000 - rig.clock.now_ms()) / 1000)
    return day


async def bills_asked_for(rig: RelayRig) -> int:
    return len(await rig.calls("downloadbill"))


def days(day: BillDay, count: int = CATCH_UP_DAYS) -> list[str]:
    """Return this day and those before it, the oldest first."""
    return [str(day.earlier(ago)) for ago in reversed(range(count))]


async def test_yesterday_is_due_at_the_time_set_and_no_minute_before(
    rig: RelayRig, reconciliations: Reconciliations, day: BillDay
) -> None:
    daily = a_daily(rig, reconciliations)
    await daily.look()
    assert str(day) not in [report.day for report in await reconciliations.newest(limit=9)]

    await rig.advance(61)
    await daily.look()

    report = (await reconciliations.newest(limit=1))[0]
    assert (report.day, report.rows, report.counts) == (str(day), 1, {"not_paid_here": {"cured": 1}})
    order = await rig.store.get(report.lines[0].finding.order_id)
    assert order.state is OrderState.PAID


async def test_of_many_processes_one_does_each_day_and_nobody_does_it_again(
    rig: RelayRig, reconciliations: Reconciliations, day: BillDay
) -> None:
    await rig.advance(61)

    await asyncio.gather(*(a_daily(rig, reconciliations).look() for _ in range(5)))
    await rig.advance(2 * LEASE_MS / 1000)
    await a_daily(rig, reconciliations).look()

    assert [report.day for report in await reconciliations.newest(limit=9)] == days(day)[::-1]
    assert await bills_asked_for(rig) == CATCH_UP_DAYS


async def test_a_day_that_could_not_be_done_is_left_to_the_next_after_a_while(
    rig: RelayRig, reconciliations: Reconciliations, day: BillDay
) -> None:
    await rig.advance(61)
    await rig.fault("downloadbill", "error", code="Bill Creating", times=CATCH_UP_DAYS)
    daily = a_daily(rig, reconciliations)

    await daily.look()
    await daily.look()
    assert await bills_asked_for(rig) == CATCH_UP_DAYS
    assert await reconciliations.newest(limit=9) == []

    await rig.advance(LEASE_MS / 1000)
    await daily.look()
    assert len(await reconciliations.newest(limit=9)) == CATCH_UP_DAYS


async def test_what_stayed_unknown_leaves_no_report(
    rig: RelayRig, reconciliations: Reconciliations, day: BillDay
) -> None:
    await rig.advance(61)
    await rig.fault("orderquery", "status", status=503)

    await a_daily(rig, reconciliations).look()

    assert str(day) not in [report.day for report in await reconciliations.newest(limit=9)]


async def test_it_runs_until_it_is_closed(rig: RelayRig, reconciliations: Reconciliations, day: BillDay) -> None:
    await rig.advance(61)
    daily = a_daily(rig, reconciliations)

    daily.start()
    async with asyncio.timeout(PATIENCE_S):
        while str(day) not in [report.day for report in await reconciliations.newest(limit=1)]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # nothing tells of a report but asking

    await daily.aclose()
    await daily.aclose()
