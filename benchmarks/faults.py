"""
Campaigns of faults against the money, judged by WeChat's own ledger.

    python -m benchmarks.faults sweep        kill -9 at every write, flush and send of a flow, in both stores
    python -m benchmarks.faults rivals       two friends pay one share in the same instant, a thousand times
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.faults.rivals import a_rivalry
from tests.faults.shelves import MongoShelf, SqliteShelf
from tests.faults.site import a_site
from tests.faults.sweep import FLOWS, Swept, sweep
from tests.redis_server import RedisServer
from tests.stores.wire_server import WireServer

STORES: Final = ("sqlite", "mongo")

console = Console()


@click.group()
def main() -> None:
    """Break things on purpose; the exit code is 1 if the money was wrong even once."""


@main.command("sweep")
@click.option("--store", type=click.Choice(STORES), multiple=True, help="Only this one; may be repeated.")
@click.option("--flow", type=click.Choice(tuple(FLOWS)), multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--most", default=0, help="So many points of each flow, evenly chosen; 0 for every one.", show_default=True
)
def sweep_command(*, store: tuple[str, ...], flow: tuple[str, ...], most: int) -> None:
    """kill -9 at every write, flush and send of a flow; then restart, with no further notify."""
    sys.exit(asyncio.run(_sweep_all(store or STORES, flow or tuple(FLOWS), most)))


@main.command("rivals")
@click.option("--rounds", default=1000, show_default=True)
def rivals_command(*, rounds: int) -> None:
    """Two friends pay one share in the same instant, over two processes with slow ways to their stores."""
    sys.exit(asyncio.run(_play(rounds)))


async def _sweep_all(stores: Sequence[str], flows: Sequence[str], most: int) -> int:
    complaints: list[str] = []
    with _progress() as progress:
        for store in stores:
            for flow in flows:
                bar = progress.add_task(f"{store} {flow}", total=None)
                swept = await _sweep_in(store, flow, most, progress, bar)
                kinds = Counter(point.syscall for point in swept.hit)
                hit = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
                console.print(f"{store} {flow}: died at {len(swept.hit)} of {swept.points} points ({hit})")
                complaints += [f"{store} {flow}, {complaint}" for complaint in swept.complaints]
    return _verdict(complaints)


async def _sweep_in(store: str, flow: str, most: int, progress: Progress, bar: TaskID) -> Swept:
    def told(done: int, points: int) -> None:
        progress.update(bar, completed=done, total=points)

    with TemporaryDirectory(prefix="daifu-faults-") as name:
        folder = Path(name)
        if store == "sqlite":
            async with a_site(folder, SqliteShelf(folder)) as site:
                return await sweep(site, FLOWS[flow], most=most, told=told)
        mongo = WireServer(folder / "mongo")
        await asyncio.to_thread(mongo.start)
        try:
            url = f"{mongo.url}/daifu"
            async with a_site(folder, MongoShelf(url), MONGODB_URL=url) as site:
                return await sweep(site, FLOWS[flow], most=most, told=told)
        finally:
            mongo.stop()


async def _play(rounds: int) -> int:
    redis = RedisServer()
    redis.start()
    try:
        with TemporaryDirectory(prefix="daifu-faults-") as folder, _progress() as progress:
            bar = progress.add_task("rounds", total=rounds)
            async with a_rivalry(Path(folder), redis) as rivalry:
                await rivalry.rounds(rounds, told=lambda done: progress.update(bar, completed=done))
    finally:
        redis.kill()
    wins = Counter(rivalry.wins)
    console.print(
        f"{rounds} rounds: the first friend's money was kept {wins[0]} times, the second one's {wins[1]} times"
    )
    return _verdict(rivalry.complaints)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield progress


def _verdict(complaints: Sequence[str]) -> int:
    for complaint in complaints:
        console.print(complaint, markup=False)
    console.print("The money was right every time." if not complaints else f"{len(complaints)} complaints.")
    return int(bool(complaints))


if __name__ == "__main__":
    main()
