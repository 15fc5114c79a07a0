"""What the SQLite store adds to the contract: group commit, and how it bears a disk and neighbours that misbehave."""

import asyncio
import itertools
import os
import resource
import sqlite3
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Final, Self

import pytest

from server.domain.user import User
from server.errors import StoreCorrupt, StoreUnavailable
from server.stores.sqlite import MAX_RECENT, SqliteStore
from server.stores.sqlite_worker import MAX_BATCH
from tests.stores.stored_orders import an_order, changed, order_id

ANSWER_WITHIN_S: Final = 3.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daifu.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with aclosing(await SqliteStore.open(path)) as store:
        yield store


@asynccontextmanager
async def writer_held_up(store: SqliteStore) -> AsyncIterator[list[str]]:
    """Keep the writer busy while the block runs, and list the statements it runs from then on."""
    is_held_up, go_on = threading.Event(), threading.Event()
    statements: list[str] = []

    def hold_up(connection: sqlite3.Connection) -> None:
        is_held_up.set()
        go_on.wait(ANSWER_WITHIN_S)
        connection.set_trace_callback(statements.append)

    holding_up = store._writer.run(hold_up)
    assert await asyncio.to_thread(is_held_up.wait, ANSWER_WITHIN_S)
    try:
        yield statements
    finally:
        go_on.set()
    await holding_up


def execute(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql, parameters)


class TestGroupCommit:
    async def test_writes_that_wait_together_share_one_commit(self, store: SqliteStore) -> None:
        async with writer_held_up(store) as statements:
            writes = [asyncio.ensure_future(store.insert(an_order(number))) for number in range(MAX_BATCH)]
            await asyncio.sleep(0)

        await asyncio.gather(*writes)

        assert statements.count("BEGIN IMMEDIATE") == 1
        assert statements[-1] == "COMMIT"
        assert statements.count("COMMIT") == 2  # the first is that of the job which held the writer up

    async def test_a_batch_is_bounded(self, store: SqliteStore) -> None:
        async with writer_held_up(store) as statements:
            writes = [asyncio.ensure_future(store.insert(an_order(number))) for number in range(2 * MAX_BATCH + 1)]
            await asyncio.sleep(0)

        await asyncio.gather(*writes)

        assert statements.count("BEGIN IMMEDIATE") == 3

    async def test_every_commit_is_synced_to_the_disk(self, store: SqliteStore) -> None:
        def synchronous(connection: sqlite3.Connection) -> tuple[str, int]:
            [(journal_mode,)] = connection.execute("PRAGMA journal_mode").fetchall()
            [(level,)] = connection.execute("PRAGMA synchronous").fetchall()
            return journal_mode, level

        full = 2
        assert await store._writer.run(synchronous) == ("wal", full)

    async def test_a_value_sqlite_cannot_take_costs_only_its_own_caller(self, store: SqliteStore) -> None:
        async with writer_held_up(store):
            good = asyncio.ensure_future(store.insert(an_order()))
            bad = asyncio.ensure_future(store.remember_user(User(openid="oMing", name="\ud800", first_seen_ms=1)))
            await asyncio.sleep(0)

        await good
        with pytest.raises(UnicodeEncodeError):
            await bad
        assert await store.get(order_id(1)) == an_order()

    async def test_what_is_queued_when_the_writer_is_closed_is_still_written(self, store: SqliteStore) -> None:
        async with writer_held_up(store):
            write = asyncio.ensure_future(store.insert(an_order()))
            await asyncio.sleep(0)
            closing_down = asyncio.ensure_future(store._writer.aclose())
            await asyncio.sleep(0)

        async with asyncio.timeout(ANSWER_WITHIN_S):
            await closing_down
        assert write.done()
        await write


class TestRecentOrders:
    async def test_a_read_after_a_write_needs_no_thread(self, store: SqliteStore) -> None:
        await store.insert(an_order())
        await store.replace(changed(an_order()), was_rev=1)

        reading = store.get(order_id(1))

        with pytest.raises(StopIteration) as answer:  # the coroutine ends at once, without waiting for anything
            reading.send(None)
        assert answer.value.value == changed(an_order())

    async def test_a_write_whose_caller_gave_up_is_what_everybody_reads(self, store: SqliteStore) -> None:
        await store.insert(an_order())
        async with writer_held_up(store):
            given_up = asyncio.ensure_future(store.replace(changed(an_order()), was_rev=1))
            await asyncio.sleep(0)
            given_up.cancel()
        await store.ping()

        assert await store.get(order_id(1)) == changed(an_order())

    async def test_what_is_kept_in_memory_is_bounded_and_the_rest_is_read_from_the_file(
        self, store: SqliteStore
    ) -> None:
        await asyncio.gather(*(store.insert(an_order(number)) for number in range(MAX_RECENT + 10)))

        assert len(store._recent) == MAX_RECENT
        assert await store.get(order_id(0)) == an_order(0)
        assert await store.get(order_id(MAX_RECENT)) == an_order(MAX_RECENT)


class TestUnreadableDocuments:
    @pytest.fixture(autouse=True)
    async def three_orders(self, path: Path) -> None:
        async with aclosing(await SqliteStore.open(path)) as store:
            for number in (1, 2, 3):
                await store.insert(an_order(number, due_at_ms=number))

    @pytest.mark.parametrize("doc", [b"", b"\xff\xfe", b"[]", b'{"order_id": 5}', b"[" * 100_000])
    async def test_the_order_is_named_and_nothing_of_it_told(self, path: Path, doc: bytes) -> None:
        execute(path, "UPDATE orders SET doc = ? WHERE order_id = ?", doc, order_id(1))

        async with aclosing(await SqliteStore.open(path)) as store:
            with pytest.raises(StoreCorrupt) as corrupt:
                await store.get(order_id(1))

        assert str(corrupt.value) == f"unreadable in the store: order {order_id(1)}"

    async def test_the_relay_still_gets_all_the_others(self, path: Path) -> None:
        execute(path, "UPDATE orders SET doc = ? WHERE order_id = ?", b"{", order_id(1))

        async with aclosing(await SqliteStore.open(path)) as store:
            due = await store.claim_due(100, lease_ms=1000, limit=10)

        assert due == [an_order(2, due_at_ms=2), an_order(3, due_at_ms=3)]

    async def test_a_scan_fills_its_page_with_the_next_ones(self, path: Path) -> None:
        execute(path, "UPDATE orders SET doc = ? WHERE order_id < ?", b"{", order_id(3))

        async with aclosing(await SqliteStore.open(path)) as store:
            found = await store.scan(after=order_id(0), before=order_id(9), limit=1)

        assert found == [an_order(3, due_at_ms=3)]


class LagProbe:
    """Measures how long the event loop was away, at worst, while the block ran."""

    async def __aenter__(self) -> Self:
        self.worst_s = 0.0
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _measure(self) -> None:
        before_s = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now_s = time.monotonic()
            self.worst_s = max(self.worst_s, now_s - before_s)
            before_s = now_s


class TestForeignLock:
    async def test_writers_are_told_in_time_while_the_loop_and_the_readers_go_on(
        self, store: SqliteStore, path: Path
    ) -> None:
        await store.insert(an_order(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with LagProbe() as probe, asyncio.timeout(ANSWER_WITHIN_S):
                refused = asyncio.create_task(store.insert(an_order(2)))
                assert await store.list_by_initiator("oInitiator", before=None, limit=1) == [an_order(1)]
                queued_behind_it = asyncio.create_task(store.ping())
                for call in (refused, queued_behind_it):
                    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
                        await call

        assert probe.worst_s < 0.5
        await store.insert(an_order(2))


class TestFullDisk:
    async def test_writes_fail_reads_go_on_and_space_brings_writes_back(self, store: SqliteStore) -> None:
        await store._writer.run(limit_pages, 40)

        written = await insert_until_refused(store, "SQLITE_FULL")

        assert await store.list_by_initiator("oInitiator", before=None, limit=1) == [an_order(written - 1)]
        await store._writer.run(limit_pages, 10_000)
        await store.insert(an_order(written))
        await store.ping()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
    async def test_a_file_system_that_is_full_is_borne_and_recovered_from(self, tmp_path: Path) -> None:
        with small_file_system(tmp_path) as ballast:
            async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
                written = await insert_until_refused(store, "SQLITE_FULL")
                stored = await store.list_by_initiator("oInitiator", before=None, limit=written + 1)
                assert len(stored) == written

                ballast.unlink()

                await store.insert(an_order(written))


class TestBrokenDisk:
    async def test_after_a_failed_write_nothing_is_tried_on_this_handle_again(self, store: SqliteStore) -> None:
        with largest_file(128 * 1024):
            await insert_until_refused(store, "SQLITE_IOERR_WRITE")

        with pytest.raises(StoreUnavailable, match="SQLITE_IOERR_WRITE"):
            await store.ping()
        with pytest.raises(StoreUnavailable):
            await store.replace(changed(an_order(0)), was_rev=1)
        with pytest.raises(StoreUnavailable):
            await store.list_by_initiator("oInitiator", before=None, limit=1)

    async def test_a_restart_finds_every_order_that_was_acknowledged(self, path: Path) -> None:
        async with aclosing(await SqliteStore.open(path)) as store:
            with largest_file(128 * 1024):
                written = await insert_until_refused(store, "SQLITE_IOERR_WRITE")

        async with aclosing(await SqliteStore.open(path)) as store:
            for number in range(written):
                assert await store.get(order_id(number)) == an_order(number)


async def insert_until_refused(store: SqliteStore, reason: str) -> int:
    """Insert orders 0, 1, 2 …; return the number of the first one that was refused."""
    numbers = itertools.count()
    with pytest.raises(StoreUnavailable) as refused:
        await insert_all(store, numbers)
    assert refused.value.reason == reason
    return next(numbers) - 1


async def insert_all(store: SqliteStore, numbers: Iterator[int]) -> None:
    for number in numbers:
        await store.insert(an_order(number))


def limit_pages(connection: sqlite3.Connection, pages: int) -> None:
    connection.execute(f"PRAGMA max_page_count = {pages:d}")


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond this: the write fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_file_system(directory: Path) -> Iterator[Path]:
    """Mount one MB of memory at the directory; a quarter of it is taken by the file that is returned."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], check=True)
    try:
        ballast = directory / "ballast"
        ballast.write_bytes(bytes(256 * 1024))
        yield ballast
    finally:
        subprocess.run(["umount", directory], check=True)
