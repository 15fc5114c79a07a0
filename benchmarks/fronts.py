"""
The fronts beside each other: what one request costs the server, and what a page that only watches costs in memory.

    python -m benchmarks.fronts                 notifies and reads, in turns of a second
    python -m benchmarks.fronts --watchers 10000    and then so many sockets, on each

Every server has its own process, store and orders, all on one core; the load and the simulated WeChat have another.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.contestant import Contestant, get
from benchmarks.daifu_process import a_shop
from benchmarks.machine import DRIVER_CORE, cpu_s, on_core, take_all_files_allowed
from benchmarks.measures import bytes_a_page
from benchmarks.ratios import ratios
from benchmarks.raw_client import RawClient, a_raw_client

FRONTS: Final[dict[str, dict[str, str]]] = {
    "tornado, asyncio": {"HTTP_FRONT": "tornado", "EVENT_LOOP": "asyncio"},
    "fast, asyncio": {"HTTP_FRONT": "fast", "EVENT_LOOP": "asyncio"},
    "fast, uvloop": {"HTTP_FRONT": "fast", "EVENT_LOOP": "uvloop"},
}

console = Console()


@click.command()
@click.option("--slices", default=7, show_default=True, help="Turns of each server with each load.")
@click.option("--seconds", default=1.0, show_default=True, help="How long a turn is.")
@click.option("--connections", default=8, show_default=True, help="Connections, one request under way on each.")
@click.option("--orders", default=20_000, show_default=True, help="Orders that wait for their notify, on each server.")
@click.option("--watchers", default=0, show_default=True, help="Sockets that watch, on each server.")
def main(*, slices: int, seconds: float, connections: int, orders: int, watchers: int) -> None:
    """Measure the fronts; the exit code is 1 if any request was not answered 200."""
    take_all_files_allowed()
    with on_core(DRIVER_CORE):
        sys.exit(asyncio.run(_measure(Turns(slices, seconds, connections), orders, watchers)))


@dataclass(frozen=True)
class Turns:
    """How many turns each server has with each load, how long, and over how many connections."""

    slices: int
    seconds: float
    connections: int


@dataclass
class Rival:
    """One server and what was measured of it, by load: answers a second, and CPU microseconds an answer."""

    server: Contestant
    settling: Iterator[bytes]
    rates: dict[str, list[float]] = field(default_factory=dict)
    costs_us: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0

    def take_turn(self, load: str, client: RawClient, requests: Iterator[bytes], seconds: float) -> None:
        before_s = cpu_s(self.server.pid)
        done = client.run(requests, seconds)
        spent_s = cpu_s(self.server.pid) - before_s
        if not done.answers:
            return
        self.rates.setdefault(load, []).append(done.rate)
        self.costs_us.setdefault(load, []).append(spent_s / done.answers * 1e6)
        self.failed += done.wrong


Loads = dict[str, Callable[[Rival], Iterator[bytes]]]
LOADS: Final[Loads] = {
    "a notify that settles": lambda rival: rival.settling,
    "a notify that repeats": lambda rival: itertools.repeat(rival.server.notifies[0]),
    "GET one order": lambda rival: itertools.repeat(rival.server.get(rival.server.order_ids[0])),
    "GET /healthz": lambda _rival: itertools.repeat(get("/healthz")),
}


async def _measure(turns: Turns, orders: int, watchers: int) -> int:
    console.print(f"load average before: {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores")
    with TemporaryDirectory() as folder:
        async with _rivals(Path(folder), orders) as rivals:
            for load, requests_of in LOADS.items():
                _take_turns(load, rivals, requests_of, turns)
            console.print(_rates(rivals))
            for rival in rivals if watchers else ():
                each_bytes = bytes_a_page(rival.server, watchers).value
                console.print(f"{rival.server.name}: {each_bytes:,.0f} bytes for each of {watchers:,} watchers")
            console.print(f"load average after: {os.getloadavg()[0]:.1f}")
            return 1 if any(rival.failed for rival in rivals) else 0


def _take_turns(load: str, rivals: list[Rival], requests_of: Callable[[Rival], Iterator[bytes]], turns: Turns) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(a_raw_client(rival.server.port, turns.connections)) for rival in rivals]
        for rival, client in zip(rivals, clients, strict=True):  # so that nothing is done for the first time
            client.run(itertools.islice(requests_of(rival), 200), turns.seconds)
        for _ in track(range(turns.slices), load, console=console):
            for rival, client in zip(rivals, clients, strict=True):
                rival.take_turn(load, client, requests_of(rival), turns.seconds)


@asynccontextmanager
async def _rivals(folder: Path, orders: int) -> AsyncIterator[list[Rival]]:
    """Yield a running server for each front, all with one simulated WeChat."""
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(a_shop())
        servers = [
            await stack.enter_async_context(shop.daifu(folder / str(number), name, orders=orders, settings=front))
            for number, (name, front) in enumerate(FRONTS.items())
        ]
        yield [Rival(server, iter(server.notifies)) for server in servers]


def _rates(rivals: list[Rival]) -> Table:
    first, names = rivals[0], [rival.server.name for rival in rivals]
    shown = Table("", *(f"{name}: a second" for name in names), *("CPU µs" for _ in rivals))
    for load in first.rates:
        rates = [median(rival.rates[load]) for rival in rivals]
        costs = [median(rival.costs_us[load]) for rival in rivals]
        compared = [median(ratios(rival.rates[load], first.rates[load])) for rival in rivals]
        cells = (f"{rate:,.0f} ({ratio:.2f} x)" for rate, ratio in zip(rates, compared, strict=True))
        shown.add_row(load, *cells, *(f"{cost:.0f}" for cost in costs))
    shown.add_row("not answered 200", *(str(rival.failed) for rival in rivals))
    return shown


if __name__ == "__main__":
    main()
