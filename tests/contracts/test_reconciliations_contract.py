"""What every keeper of reconciled days promises."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.domain.money import Fen
from server.domain.reconcile import Difference, Finding
from server.domain.reconciliation import Line, Outcome, Reconciliation, count
from server.ports import Reconciliations
from server.stores.mongo import MongoStore
from server.stores.sqlite import SqliteStore
from tests.contracts.store_fillings import OpenStore, every_filling

pytestmark = every_filling

DAY = "2026-11-21"
LEASE_MS = 1000


@pytest.fixture
async def reconciliations(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[Reconciliations]:
    async with aclosing(await open_store(tmp_path)) as store:
        assert isinstance(store, SqliteStore | MongoStore)
        yield store.reconciliations()


def a_report(day: str = DAY, *, finished_at_ms: int = 5000) -> Reconciliation:
    finding = Finding(
        difference=Difference.OTHER_AMOUNT,
        out_trade_no="01J001",
        transaction_id="42000001",
        here=Fen(100),
        there=Fen(2**40),
    )
    lines = (Line(finding, Outcome.PERSON, "奶茶"),)
    return Reconciliation(day=day, finished_at_ms=finished_at_ms, rows=3, orders=2, counts=count(lines), lines=lines)


async def test_a_day_is_taken_on_once_until_the_lease_has_run_out(reconciliations: Reconciliations) -> None:
    assert await reconciliations.claim(DAY, now_ms=100, lease_ms=LEASE_MS)

    assert not await reconciliations.claim(DAY, now_ms=1099, lease_ms=LEASE_MS)
    assert await reconciliations.claim("2026-11-22", now_ms=1099, lease_ms=LEASE_MS)
    assert await reconciliations.claim(DAY, now_ms=1100, lease_ms=LEASE_MS)
    assert not await reconciliations.claim(DAY, now_ms=1100, lease_ms=LEASE_MS)


async def test_of_twenty_who_take_on_a_day_at_once_one_has_it_the_first_time_and_the_next(
    reconciliations: Reconciliations,
) -> None:
    for now_ms in (100, 5000):
        claims = [reconciliations.claim(DAY, now_ms=now_ms, lease_ms=LEASE_MS) for _ in range(20)]
        assert (await asyncio.gather(*claims)).count(True) == 1


async def test_a_day_with_a_report_is_never_taken_on_again(reconciliations: Reconciliations) -> None:
    await reconciliations.claim(DAY, now_ms=100, lease_ms=LEASE_MS)
    assert await reconciliations.newest(limit=9) == []

    await reconciliations.keep(a_report())

    assert not await reconciliations.claim(DAY, now_ms=10**15, lease_ms=LEASE_MS)


async def test_the_newest_reports_come_first_each_as_it_was_kept_last(reconciliations: Reconciliations) -> None:
    for day in ("2026-11-21", "2026-12-01", "2026-11-30"):
        await reconciliations.keep(a_report(day))
    again = replace(a_report("2026-11-30"), finished_at_ms=9000, counts={}, lines=())
    await reconciliations.keep(again)

    assert await reconciliations.newest(limit=2) == [a_report("2026-12-01"), again]
