"""When a file is refused, with one sentence that names it and says what to do, and what a good one looks like."""
# ruff: noqa: ASYNC240 - these tests are about files; nothing else runs on their loops

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Final

import pytest

from server.errors import ConfigError
from server.stores import sqlite_file
from server.stores.sqlite import SqliteStore
from server.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS
from tests.stores.stored_orders import an_order, order_id

NOBODY: Final = 65534
IS_ROOT: Final = os.geteuid() == 0


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a closed database with 300 orders."""
    path = tmp_path / "daifu.db"
    async with aclosing(await SqliteStore.open(path)) as store:
        await asyncio.gather(*(store.insert(an_order(number)) for number in range(300)))
    return path


async def refusal(path: Path) -> str:
    """Return the sentence with which the file is refused; it leaves nothing behind that stops the next attempt."""
    with pytest.raises(ConfigError) as refused:
        await SqliteStore.open(path)
    sentence = str(refused.value)
    assert path.name in sentence
    assert "\n" not in sentence
    return sentence


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def test_a_first_start_makes_the_directory_and_private_files(tmp_path: Path) -> None:
    path = tmp_path / "var" / "deep" / "daifu.db"

    async with aclosing(await SqliteStore.open(path)) as store:
        await store.insert(an_order())
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

    private = ("daifu.db", "daifu.db-shm", "daifu.db-wal", "daifu.db.id", "daifu.db.lock")
    assert modes == dict.fromkeys(private, 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_directory_with_odd_characters_is_a_directory_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "50% ?mode=memory&#数据" / "daifu.db"

    async with aclosing(await SqliteStore.open(path)) as store:
        await store.insert(an_order())

    assert path.is_file()


async def test_an_order_is_there_after_a_restart(path: Path) -> None:
    async with aclosing(await SqliteStore.open(path)) as store:
        assert await store.get(order_id(7)) == an_order(7)


async def test_the_file_says_whose_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


async def test_a_start_that_was_cut_off_while_making_the_file_begins_again(tmp_path: Path) -> None:
    (tmp_path / "daifu.db.new").write_bytes(b"half a database")

    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        await store.insert(an_order())

    assert not (tmp_path / "daifu.db.new").exists()


async def test_an_older_format_is_brought_up_to_date_with_its_orders(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = len(MIGRATIONS) + 1
    next_version = f"BEGIN; CREATE TABLE later (id TEXT) STRICT; PRAGMA user_version = {version}; COMMIT;"
    monkeypatch.setattr(sqlite_file, "MIGRATIONS", (*MIGRATIONS, next_version))

    async with aclosing(await SqliteStore.open(path)) as store:
        assert await store.get(order_id(7)) == an_order(7)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)


async def test_a_second_process_is_refused_until_the_first_one_is_gone(path: Path) -> None:
    async with aclosing(await SqliteStore.open(path)):
        assert "another daifu process" in await refusal(path)

    async with aclosing(await SqliteStore.open(path)) as store:
        await store.ping()


class TestDamage:
    async def test_another_kind_of_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "daifu.db"
        path.write_bytes(b"PK\x03\x04 holiday pictures")

        assert "not a SQLite file" in await refusal(path)

    async def test_an_emptied_file_is_refused(self, path: Path) -> None:
        os.truncate(path, 0)

        assert "restore it from a backup" in await refusal(path)

    @pytest.mark.parametrize(
        "cut",
        [
            pytest.param(lambda size: size // 2, id="half of it"),
            pytest.param(lambda size: size - 4096, id="without its last page"),
            pytest.param(lambda _: 60, id="within its header"),
        ],
    )
    async def test_a_truncated_file_is_refused(self, path: Path, cut: Callable[[int], int]) -> None:
        os.truncate(path, cut(path.stat().st_size))

        assert "damaged" in await refusal(path)

    @pytest.mark.parametrize("page", [2, 5, 20])
    async def test_a_file_with_one_page_of_garbage_is_refused(self, path: Path, page: int) -> None:
        with path.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xa5" * 4096)

        assert "damaged" in await refusal(path)

    async def test_a_refused_file_stays_byte_for_byte_as_it_was(self, path: Path) -> None:
        os.truncate(path, path.stat().st_size // 2)
        before = path.read_bytes()

        await refusal(path)

        assert path.read_bytes() == before


class TestLostFiles:
    async def test_a_file_that_was_here_once_is_not_replaced_by_an_empty_one(self, path: Path) -> None:
        path.unlink()

        assert "daifu.db.id says there was one" in await refusal(path)
        assert not path.exists()

    async def test_a_log_without_its_file_is_not_thrown_away(self, path: Path) -> None:
        path.rename(path.with_name("daifu.db-wal"))
        path.with_name("daifu.db.id").unlink()

        assert "daifu.db-wal says there was one" in await refusal(path)

    async def test_an_empty_start_can_be_asked_for(self, path: Path) -> None:
        path.unlink()
        path.with_name("daifu.db.id").unlink()

        async with aclosing(await SqliteStore.open(path)) as store:
            assert await store.list_by_initiator("oInitiator", before=None, limit=1) == []

    async def test_a_file_restored_without_its_marker_gets_a_new_one(self, path: Path) -> None:
        path.with_name("daifu.db.id").unlink()

        async with aclosing(await SqliteStore.open(path)):
            assert path.with_name("daifu.db.id").exists()


class TestStrangers:
    async def test_another_programs_database_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "daifu.db"
        execute(path, "CREATE TABLE bookmarks (url TEXT)", "PRAGMA application_id = 42")
        before = path.read_bytes()

        assert "another program" in await refusal(path)
        assert path.read_bytes() == before

    async def test_a_newer_format_is_refused_and_left_alone(self, path: Path) -> None:
        execute(path, "PRAGMA user_version = 99")
        before = path.read_bytes()

        assert "format 99" in await refusal(path)
        assert path.read_bytes() == before

    async def test_a_file_somebody_else_keeps_locked_is_refused(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.01)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")

            assert "locked by another program" in await refusal(path)


class TestPlace:
    async def test_a_directory_that_cannot_be_made_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="/proc/daifu"):
            await SqliteStore.open(Path("/proc/daifu/daifu.db"))

    async def test_a_file_in_the_place_of_the_directory_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "var").write_text("not a directory")

        with pytest.raises(ConfigError, match="var"):
            await SqliteStore.open(tmp_path / "var" / "daifu.db")

    @pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
    async def test_a_directory_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)

        with pytest.raises(ConfigError, match="cannot be written"):
            await SqliteStore.open(tmp_path / "daifu.db")

    @pytest.mark.skipif(not IS_ROOT, reason="only root can give a file away")
    async def test_a_file_of_another_user_is_refused(self, path: Path) -> None:
        os.chown(path, NOBODY, NOBODY)

        assert f"belongs to user {NOBODY}" in await refusal(path)
