"""`run.py stats`, with the server and without it."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from click.testing import CliRunner

from run import main
from server.domain.days import DAY_MS, day_start_ms
from server.stores.sqlite import SqliteStore
from tests.domain.histories import paid, placed
from tests.people import Person
from tests.running import Daifu

DAY = "2024-10-01"
NOON_MS = day_start_ms(DAY) + DAY_MS // 2


async def two_orders(folder: Path) -> None:
    async with aclosing(await SqliteStore.open(folder / "daifu.db")) as store:
        await store.insert(paid(placed("阿花", NOON_MS), "小明", at_ms=NOON_MS, after_ms=900))
        await store.insert(placed("小红", NOON_MS + 1))


def printed(*arguments: str, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["stats", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def words(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_orders_nobody_has_added_up_yet_are_added_up_and_printed(tmp_path: Path) -> None:
    asyncio.run(two_orders(tmp_path))

    said = words(printed("--from", DAY, "--to", DAY, "--data-dir", str(tmp_path)))

    assert "created 2" in said
    assert "success rate P 50.0% gross, 50.0% net, of 2 decided" in said
    assert "fission coefficient K not enough data (new 0, seed 2, new/seed 0.00)" in said
    assert f"{DAY} 2 1 1 1 1 1 50.0% 50.0% 1 1.00" in said


async def test_beside_a_running_server_it_prints_what_the_server_has_added_up(daifu: Daifu, initiator: Person) -> None:
    await initiator.place_order()
    await daifu.services.stats_keeper.bring_up_to_date()

    said = await asyncio.to_thread(printed, "--data-dir", str(daifu.services.settings.data_dir))

    assert "created 1" in words(said)


def test_what_is_no_day_and_a_folder_without_orders_are_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "must be a day" in printed("--from", "yesterday", code=2)
    assert "must not be later" in printed("--from", "2026-01-02", "--to", "2026-01-01", code=2)
    assert "no order was ever stored" in printed("--data-dir", str(tmp_path), code=1)
    assert list(tmp_path.iterdir()) == []
