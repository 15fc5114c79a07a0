"""A process that is killed while it writes has lost nothing it had acknowledged."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Final

import pytest

from server.stores.sqlite import SqliteStore
from tests.stores.stored_orders import order_id

REPOSITORY: Final = Path(__file__).parents[2]

# Inserts and replaces with 16 callers at once; prints an order's number and rev once the store has acknowledged it.
WRITER: Final = """
import asyncio, itertools, pathlib, sys
from server.stores.sqlite import SqliteStore
from tests.stores.stored_orders import an_order, changed

async def write(store, numbers):
    for number in numbers:
        order = an_order(number)
        await store.insert(order)
        print(number, 1, flush=True)
        assert await store.replace(changed(order), was_rev=1)
        print(number, 2, flush=True)

async def main():
    store = await SqliteStore.open(pathlib.Path(sys.argv[1]))
    numbers = itertools.count(int(sys.argv[2]))
    await asyncio.gather(*(write(store, numbers) for _ in range(16)))

asyncio.run(main())
"""


async def acknowledged_before_a_kill(path: Path, *, first: int, lines: int) -> dict[int, int]:
    """Let a process write orders from number `first` on, kill it after so many lines; return rev by order number."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), str(first), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    async with asyncio.timeout(30):
        seen = [await writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        seen += (await writer.stdout.read()).splitlines(keepends=True)
        await writer.wait()
    whole = [line.split() for line in seen if line.endswith(b"\n")]
    return {int(number): int(rev) for number, rev in whole}


@pytest.mark.process
async def test_every_acknowledged_write_survives_a_kill_and_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "daifu.db"
    acknowledged: dict[int, int] = {}

    for life in range(4):
        acknowledged |= await acknowledged_before_a_kill(path, first=life * 100_000, lines=50 + 170 * life)

        async with aclosing(await SqliteStore.open(path)) as store:
            for number, rev in acknowledged.items():
                assert (await store.get(order_id(number))).rev >= rev
