"""
Hold many pages for a long time while notifies come, and see that nothing grows and nobody misses anything.

    python -m benchmarks.hold                           10,000 pages, 50 notifies/s, 10 minutes
    python -m benchmarks.hold --attack --minutes 2      and 5,000 idle connections, slow and silent ones meanwhile

daifu runs as in production on SQLite; the pages are those of `pages.py` and come back when they are sent away.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.attack import Attack, an_attack, attack_table, kinds_against
from benchmarks.balancer import Balancer
from benchmarks.contestant import Contestant
from benchmarks.daifu_process import a_shop
from benchmarks.load import Sent, living, post_paced, until_shown
from benchmarks.loop_lag import at_most_s, loop_lag
from benchmarks.machine import DRIVER_CORE, described, on_core, resident_bytes, take_all_files_allowed
from benchmarks.pages import Page
from benchmarks.raw_client import HEAD_END
from benchmarks.report import Row, failures, percentile, table
from server.bootstrap import SQLITE_FILE

SAMPLE_S: Final = 5.0
SETTLED_SHARE: Final = 0.2
FLAT: Final = 1.05
MOST_P99_MS: Final = 200
ATTACK_S: Final = 90

console = Console()


@click.command()
@click.option("--watchers", default=10_000, show_default=True, help="Pages, on as many of the notified orders.")
@click.option("--rate", default=50, show_default=True, help="Notifies a second.")
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--attack", is_flag=True, help="Idle, slow and silent clients meanwhile; two minutes at least.")
def main(*, watchers: int, rate: int, minutes: float, attack: bool) -> None:
    """Hold; the exit code is 1 if anything was missed, failed, grew, or was put up with for too long."""
    notifies = int(rate * minutes * 60)
    if attack and minutes * 60 < ATTACK_S:
        raise click.UsageError(f"--attack needs {ATTACK_S} s: raise --minutes")
    if watchers > notifies:
        raise click.UsageError("more pages than notifies: raise --rate or --minutes")
    take_all_files_allowed()
    console.print(described(), highlight=False)
    with on_core(DRIVER_CORE):
        sys.exit(asyncio.run(_hold(watchers, rate, notifies, is_attacked=attack)))


@dataclass
class Held:
    """What was seen. Memory is the server's resident one, every few seconds."""

    sent: list[Sent] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)
    loop_lag_p99_s: float = 0.0
    wrong_pages: int = 0
    attack: Attack | None = None

    @property
    def answer_p99_ms(self) -> float:
        return percentile([each.answer_ms for each in self.sent if each.answer_ms is not None], 99)

    @property
    def growth(self) -> float:
        """How many times the memory of the first fifth's end the last one is: what fills up at first is no leak."""
        settled = self.memory_bytes[int(len(self.memory_bytes) * SETTLED_SHARE)]
        return self.memory_bytes[-1] / settled

    def complaints(self) -> list[str]:
        found = {
            "notifies failed": any(each.failure for each in self.sent),
            f"{self.wrong_pages} pages did not end on what is stored": self.wrong_pages,
            f"memory grew {self.growth:.2f} times": self.growth > FLAT,
        }
        if self.attack is not None:
            found["the server put up with clients for too long"] = self.attack.survivors
            found[f"notify p99 of {self.answer_p99_ms:.0f} ms"] = self.answer_p99_ms >= MOST_P99_MS
        return [complaint for complaint, is_so in found.items() if is_so]


async def _hold(watchers: int, rate: int, notifies: int, *, is_attacked: bool) -> int:
    with TemporaryDirectory(prefix="daifu-hold-") as name:
        folder = Path(name) / "daifu"
        async with a_shop() as shop, shop.daifu(folder, orders=notifies) as server:
            held = await _watch_it(server, folder / SQLITE_FILE, watchers, rate, is_attacked=is_attacked)
    _print(held)
    complaints = held.complaints()
    for complaint in complaints:
        console.print(complaint)
    return int(bool(complaints))


async def _watch_it(server: Contestant, file: Path, watchers: int, rate: int, *, is_attacked: bool) -> Held:
    held = Held()
    ids = server.order_ids
    watched = [ids[n * len(ids) // watchers] for n in range(watchers)]
    pages = {order_id: Page(order_id, server.token, [server.port]) for order_id in watched}
    url = f"http://127.0.0.1:{server.port}"
    console.print(f"opening {watchers:,} pages")
    async with living(list(pages.values())):
        lag = await loop_lag(url)
        async with _sampling(server.pid, held.memory_bytes):
            if is_attacked:
                async with an_attack(server.port, kinds_against(server)) as held.attack:
                    held.sent = await _notify(server, pages, rate)
            else:
                held.sent = await _notify(server, pages, rate)
        held.loop_lag_p99_s = at_most_s(lag, await loop_lag(url), 0.99)
        revs = await asyncio.to_thread(stored_revs, file)
        held.wrong_pages = len(await until_shown(pages, revs))
    return held


async def _notify(server: Contestant, pages: dict[str, Page], rate: int) -> list[Sent]:
    bodies = {
        order_id: notify.partition(HEAD_END)[2]
        for order_id, notify in zip(server.order_ids, server.notifies, strict=True)
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with closing(Balancer([server.port])) as balancer, Progress(*columns, console=console) as progress:
        bar = progress.add_task("notifies", total=len(bodies))
        return await post_paced(bodies, balancer, rate=rate, pages=pages, told=lambda: progress.advance(bar))


@asynccontextmanager
async def _sampling(pid: int, memory_bytes: list[int]) -> AsyncIterator[None]:
    async def sample() -> None:
        while True:
            memory_bytes.append(resident_bytes(pid))
            await asyncio.sleep(SAMPLE_S)

    sampling = asyncio.create_task(sample())
    try:
        yield
    finally:
        sampling.cancel()
        memory_bytes.append(resident_bytes(pid))


def stored_revs(file: Path) -> dict[str, int]:
    """Read every order's rev from the file of a server that has it open."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT order_id, rev FROM orders"))


def _print(held: Held) -> None:
    console.print(table([Row("all", held.sent)]))
    console.print(failures(held.sent), markup=False)
    console.print(f"{held.wrong_pages} pages did not end on what is stored")
    console.print(f"memory, MB: {_megabytes(held.memory_bytes)}; the last is {held.growth:.2f} times the settled one")
    console.print(f"loop lag p99: at most {held.loop_lag_p99_s * 1000:.1f} ms")
    if held.attack is not None:
        console.print(attack_table(held.attack.stallers))
    console.print(f"load average after: {os.getloadavg()[0]:.1f}")


def _megabytes(samples: Sequence[int]) -> str:
    """Return the first, the largest and the last of them, and a few in between."""
    step = max(1, len(samples) // 8)
    shown = " ".join(f"{each / 1e6:.1f}" for each in (*samples[::step], samples[-1]))
    return f"{shown} (most {max(samples) / 1e6:.1f})"


if __name__ == "__main__":
    main()
