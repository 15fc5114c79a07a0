"""From SQLite to MongoDB, whatever happens on the way."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from pymongo import AsyncMongoClient

from server.domain.day_stats import Trace, TraceKind
from server.domain.user import User
from server.errors import ConfigError, StoreCorrupt
from server.ports import KeyClaim
from server.stores.migrate import PAGE, Comparison, migrate
from server.stores.mongo import MongoStore
from server.stores.sqlite import SqliteStore
from server.stores.sqlite_stats import SqliteStats
from tests.stores.stored_orders import a_delivery, a_notify, a_report, a_reward, an_order, changed, order_id

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 60
ORDERS = 5 * PAGE + 7

pytestmark = pytest.mark.mongo


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A file with orders, people and keys of all kinds."""
    path = tmp_path / "daifu.db"
    async with aclosing(await SqliteStore.open(path)) as store:
        await asyncio.gather(*(store.insert(an_order(n, openid=f"o{n % 7}")) for n in range(ORDERS)))
        await asyncio.gather(*(store.replace(changed(an_order(n, openid=f"o{n % 7}")), was_rev=1) for n in range(50)))
        for n in range(7):
            await store.remember_user(User(openid=f"o{n}", name="小明", avatar="a" * n, first_seen_ms=n))
            await store.grant_reward(a_reward(n))
            await SqliteStats(store.workers).leave_trace(Trace(order_id(n), TraceKind.OPENED, f"o{n}", n))
            await store.claim_key(f"key {n}", KeyClaim(order_id(n), "a" * 64, 1))
            await store.deliveries().add([a_delivery(n)])
            await store.reconciliations().keep(a_report(n))
        await store.journal().keep([a_notify(n) for n in range(7)])
        assert await store.reconciliations().claim("2026-11-08", now_ms=1, lease_ms=10**9)
        await store.bring_user("o5", brought_by="o6")
        await store.take_back_reward(a_reward(5).reward_id, 500)
        await store.claim_due(10**9, lease_ms=10**9, limit=20)
    return path


async def copied(path: Path, url: str) -> Sequence[Comparison]:
    return await migrate(path, url, told=lambda kind, done, rows: None)


async def test_everything_is_there_afterwards_and_both_sides_say_so(file: Path, url: str) -> None:
    told: list[tuple[str, int, int]] = []

    compared = await migrate(file, url, told=lambda *progress: told.append(progress))

    assert [(each.kind, each.sqlite.rows) for each in compared] == [
        ("orders", ORDERS),
        ("users", 7),
        ("rewards", 7),
        ("deliveries", 7),
        ("idempotency", 7),
        ("traces", 7),
        ("notifies", 7),
        ("reconciliations", 7),
    ]
    assert all(each.sqlite == each.mongo for each in compared)
    assert told[0] == ("orders", 0, ORDERS)
    assert ("orders", ORDERS, ORDERS) in told
    async with aclosing(await MongoStore.open(url)) as store:
        assert await store.get(order_id(3)) == changed(an_order(3, openid="o3"))
        remembered = await store.remember_user(User(openid="o5", name="x", first_seen_ms=99))
        assert (remembered.first_seen_ms, remembered.brought_by) == (5, "o6")
        assert await store.rewards_of("o5", limit=9) == [replace(a_reward(5), taken_back_at_ms=500)]
        assert await store.claim_key("key 4", KeyClaim(order_id(9), "b" * 64, 1)) == KeyClaim(order_id(4), "a" * 64, 1)
        assert await store.journal().get(a_notify(3).notify_id) == a_notify(3)
        assert await store.reconciliations().newest(limit=9) == [a_report(n) for n in reversed(range(7))]
        assert await store.reconciliations().claim("2026-11-08", now_ms=1, lease_ms=1)  # whoever was at it is gone
        # A lease a relay of the old server held is over: nobody would come back to it.
        assert len(await store.claim_due(10**7, lease_ms=1000, limit=3)) == 3


async def test_a_second_run_changes_nothing(file: Path, url: str) -> None:
    first = await copied(file, url)

    assert await copied(file, url) == first


async def test_what_changed_between_two_runs_is_taken_over(file: Path, url: str) -> None:
    await copied(file, url)
    async with aclosing(await SqliteStore.open(file)) as store:
        before = await store.get(order_id(3))
        await store.replace(changed(before, title="later"), was_rev=before.rev)
        await store.insert(an_order(ORDERS + 1))

    compared = await copied(file, url)

    assert all(each.sqlite == each.mongo for each in compared)
    async with aclosing(await MongoStore.open(url)) as store:
        assert (await store.get(order_id(3))).title == "later"


async def test_an_order_that_went_on_in_mongodb_is_not_put_back_and_the_difference_is_told(
    file: Path, url: str
) -> None:
    await copied(file, url)
    async with aclosing(await MongoStore.open(url)) as store:
        before = await store.get(order_id(3))
        await store.replace(changed(before, title="paid meanwhile"), was_rev=before.rev)

        orders, *others = await copied(file, url)

        assert (await store.get(order_id(3))).title == "paid meanwhile"
    assert orders.sqlite.rows == orders.mongo.rows
    assert orders.sqlite.sha256 != orders.mongo.sha256
    assert all(each.sqlite == each.mongo for each in others)


async def test_a_day_somebody_is_at_in_mongodb_is_no_report_and_the_difference_is_told(file: Path, url: str) -> None:
    async with aclosing(await MongoStore.open(url)) as store:
        assert await store.reconciliations().claim(a_report(3).day, now_ms=1, lease_ms=10**9)

        *others, reports = await copied(file, url)

    assert (reports.kind, reports.sqlite.rows, reports.mongo.rows) == ("reconciliations", 7, 6)
    assert all(each.sqlite == each.mongo for each in others)


async def test_a_file_a_server_has_open_is_refused(file: Path, url: str) -> None:
    async with aclosing(await SqliteStore.open(file)):
        with pytest.raises(ConfigError, match="stop it first"):
            await copied(file, url)


async def test_a_file_that_is_not_there_is_refused_and_not_made(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="nothing to copy"):
        await copied(tmp_path / "daifu.db", url)

    assert not (tmp_path / "daifu.db").exists()


async def test_an_order_that_cannot_be_read_stops_it_by_name(file: Path, url: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE orders SET doc = x'7b7d' WHERE order_id = ?", (order_id(9),))

    with pytest.raises(StoreCorrupt, match=order_id(9)):
        await copied(file, url)


class TestCommand:
    async def test_it_copies_and_says_so(self, file: Path, url: str) -> None:
        code, printed = await run(file, url)

        assert code == 0, printed
        assert "Both hold the same" in printed
        assert printed.count(f"{ORDERS}") >= 2

    async def test_a_difference_is_its_exit_code(self, file: Path, url: str) -> None:
        async with aclosing(await MongoStore.open(url)) as store:
            await store.insert(an_order(ORDERS + 1))

        code, printed = await run(file, url)

        assert code == 1
        assert "They differ" in printed

    async def test_killed_again_and_again_it_ends_with_everything_copied_once(self, file: Path, url: str) -> None:
        killed = 0
        for kill_after in (1, 2, 4):
            process = await start(file, url)
            killed += await kill_once(process, url, at_least=kill_after * PAGE)

        code, printed = await run(file, url)

        assert killed
        assert code == 0, printed
        assert "Both hold the same" in printed


async def start(file: Path, url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), "migrate-store", "--from", str(file.parent), "--to", url),
        env={name: value for name, value in os.environ.items() if name not in ("MONGODB_URL", "DATA_DIR")},
        cwd=file.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run(file: Path, url: str) -> tuple[int, str]:
    process = await start(file, url)
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def kill_once(process: asyncio.subprocess.Process, url: str, *, at_least: int) -> int:
    """SIGKILL it as soon as so many orders are there; return 1 if it was still at work."""
    async with AsyncMongoClient[dict[str, object]](url) as client, asyncio.timeout(PATIENCE_S):
        orders = client.get_default_database().orders
        while process.returncode is None and await orders.count_documents({}) < at_least:
            pass  # nothing tells how far it is but asking
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.communicate()
    return int(process.returncode == -signal.SIGKILL)
