"""
Two daifu processes on one MongoDB and one Redis: how long a notify takes to the page on the other process, what a dead
Redis costs, and what a rolling restart costs.

    python -m benchmarks.two_processes                  notifies on B, pages on A
    python -m benchmarks.two_processes --kill-redis     the same, without Redis for the middle third
    python -m benchmarks.two_processes --rolling        both processes are restarted one after the other
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.balancer import Balancer
from benchmarks.load import Load, Sent, a_load
from benchmarks.report import Row, failures, histogram, latest_ms, table
from server.stores.mongo import MongoStore
from tests.faults.cluster import Cluster, a_cluster
from tests.redis_server import RedisServer

READY_S = 30
STALE_MS = 10_000
IMMEDIATE_MS = 250

console = Console()


@click.command()
@click.option("--rate", default=200, show_default=True, help="Notifies a second.")
@click.option("--seconds", default=12, show_default=True, help="How long notifies are sent.")
@click.option("--pages", default=400, show_default=True, help="Pages that watch, on as many of the notified orders.")
@click.option("--kill-redis", is_flag=True, help="SIGKILL Redis after a third of the time, start it after two.")
@click.option("--rolling", is_flag=True, help="Restart both processes one after the other, under the load.")
def main(*, rate: int, seconds: int, pages: int, kill_redis: bool, rolling: bool) -> None:
    """Measure two processes; the exit code is 1 if a notify failed or a page did not end on the truth."""
    if kill_redis and rolling:
        raise click.UsageError("one thing at a time: --kill-redis or --rolling")
    if pages > rate * seconds:
        raise click.UsageError("more pages than notifies: raise --rate or --seconds")
    run = _rolling if rolling else _redis_killed if kill_redis else _plain
    sys.exit(asyncio.run(run(Size(rate=rate, seconds=seconds, pages=pages))))


class Size(NamedTuple):
    """How much of everything: `rate` notifies a second for `seconds`, and `pages` that watch."""

    rate: int
    seconds: int
    pages: int


async def _plain(size: Size) -> int:
    async with _measured(size, lambda cluster: [_ports(cluster)[:1]]) as (load, progress):
        sent = await _notify(load, progress, _ports(load.cluster)[1:], size.rate)
        wrong = await load.until_right()
    console.print(table([Row("all", sent)]))
    return _verdict(sent, wrong=len(wrong))


async def _redis_killed(size: Size) -> int:
    async with _measured(size, lambda cluster: [_ports(cluster)[:1]]) as (load, progress):
        began_s = time.perf_counter()
        killing = asyncio.create_task(_kill_for_a_third(load.cluster.redis, size.seconds))
        sent = await _notify(load, progress, _ports(load.cluster)[1:], size.rate)
        back_s = await killing
        wrong = await load.until_right()
    gone_s = began_s + size.seconds / 3
    before = [each for each in sent if each.due_s < gone_s]
    during = [each for each in sent if gone_s <= each.due_s < back_s]
    back = [each for each in sent if each.due_s >= back_s]
    late = [each for each in back if (each.frame_ms or 0) > IMMEDIATE_MS]
    heard_s = max((each.due_s for each in late), default=back_s)
    after = [each for each in back if each.due_s > heard_s]
    console.print(
        table([Row("before", before), Row("Redis dead", during), Row("back, not heard", late), Row("after", after)])
    )
    console.print(f"Pushes were immediate again {heard_s - back_s:.1f} s after Redis was back.")
    worst_ms = latest_ms(sent)
    console.print(
        f"The latest page was right {worst_ms / 1000:.2f} s after its notify (at most {STALE_MS / 1000:.0f} s)."
    )
    return _verdict(sent, wrong=len(wrong)) or int(worst_ms > STALE_MS or not after)


async def _kill_for_a_third(redis: RedisServer, seconds: int) -> float:
    """Return when Redis was started again (`time.perf_counter` seconds)."""
    await asyncio.sleep(seconds / 3)
    await asyncio.to_thread(redis.kill)
    await asyncio.sleep(seconds / 3)
    await asyncio.to_thread(redis.start)
    return time.perf_counter()


async def _rolling(size: Size) -> int:
    async with _measured(size, lambda cluster: [_ports(cluster), _ports(cluster)[::-1]]) as (load, progress):
        began_s = time.perf_counter()
        restarting = asyncio.create_task(_restart_each(load.cluster))
        sent = await _notify(load, progress, _ports(load.cluster), size.rate)
        exits = await restarting
        wrong = await load.until_right()
    console.print(table([Row("all", sent)]))
    console.print(f"SIGTERM to exit: {', '.join(f'{exit_s:.1f} s' for exit_s in exits)}")
    reconnects = [at_s - began_s for page in load.pages.values() for at_s in page.connected_at_s[1:]]
    console.print(f"{len(reconnects)} reconnects of {len(load.pages)} pages, per 500 ms:")
    console.print(histogram(reconnects))
    return _verdict(sent, wrong=len(wrong))


async def _restart_each(cluster: Cluster) -> list[float]:
    """Restart one process after the other, as a deploy does; return the seconds each took to end."""
    exits = []
    for server in cluster.servers:
        began_s = time.perf_counter()
        server.terminate()
        await server.ended()
        exits.append(time.perf_counter() - began_s)
        await server.start()
    return exits


@asynccontextmanager
async def _measured(size: Size, choices: Callable[[Cluster], list[list[int]]]) -> AsyncIterator[tuple[Load, Progress]]:
    """Start everything; page n watches through choice n, and those after it take turns."""
    redis = RedisServer()
    redis.start()
    columns = (TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with TemporaryDirectory(prefix="daifu-bench-") as folder, Progress(*columns, console=console) as progress:
            starting = progress.add_task("start", total=1)
            async with a_cluster(Path(folder), redis, WATCH_MAX_PER_PERSON=str(size.pages)) as cluster:
                ports = choices(cluster)
                progress.update(starting, completed=1)
                machine = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
                console.print(f"{size.rate} notifies/s for {size.seconds} s, {size.pages} pages; {machine}")
                async with a_load(
                    cluster,
                    notifies=size.rate * size.seconds,
                    rate=size.rate,
                    pages=size.pages,
                    ports_of=lambda n: ports[n % len(ports)],
                ) as load:
                    alone_ms = await _write_alone_ms(load.store)
                    console.print(f"one durable write, nobody else asking: {alone_ms:.1f} ms")
                    yield load, progress
    finally:
        redis.kill()


async def _write_alone_ms(store: MongoStore) -> float:
    """Return the median of a few: what this machine and its MongoDB give today, before there is a load."""
    took_ms = []
    for _ in range(21):
        began_s = time.perf_counter()
        await store.ping()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return median(took_ms)


async def _notify(load: Load, progress: Progress, ports: Sequence[int], rate: int) -> list[Sent]:
    bar = progress.add_task("notifies", total=len(load.notifies))
    balancer = Balancer(ports)
    try:
        return await load.notify(balancer, rate=rate, told=lambda: progress.advance(bar))
    finally:
        balancer.close()


def _ports(cluster: Cluster) -> list[int]:
    return [server.port for server in cluster.servers]


def _verdict(sent: Sequence[Sent], *, wrong: int) -> int:
    console.print(f"{failures(sent)}\n{wrong} pages did not end on the truth.", markup=False)
    return int(bool(wrong or any(each.failure for each in sent)))


if __name__ == "__main__":
    main()
