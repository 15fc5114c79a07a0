"""
The fronts beside each other: what one request costs the server, and what a page that only watches costs in memory.

    python -m benchmarks.fronts                 notifies and reads, in turns of a second
    python -m benchmarks.fronts --watchers 10000    and then so many sockets, on each

Every server has its own process, store and orders, and core 0; the load and the simulated WeChat have the other ones.
"""

import asyncio
import base64
import itertools
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.load import an_order
from benchmarks.raw_client import PATIENCE_S, RawClient, a_raw_client
from sandbox.app import start as start_sandbox
from server.bootstrap import NOTIFY_PATH, SQLITE_FILE
from server.domain.document import Order
from server.domain.events import Person as Payer
from server.stores.sqlite import SqliteStore
from tests.faults.processes import ServerProcess, a_free_port, merchant_environment
from tests.handlers.forged_notifies import Forger
from tests.people import Person, a_client

FRONTS: Final[dict[str, dict[str, str]]] = {
    "tornado, asyncio": {"HTTP_FRONT": "tornado", "EVENT_LOOP": "asyncio"},
    "fast, asyncio": {"HTTP_FRONT": "fast", "EVENT_LOOP": "asyncio"},
    "fast, uvloop": {"HTTP_FRONT": "fast", "EVENT_LOOP": "uvloop"},
}
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = resource.getpagesize()
PER_ADDRESS: Final = 10_000

console = Console()


@click.command()
@click.option("--slices", default=7, show_default=True, help="Turns of each server with each load.")
@click.option("--seconds", default=1.0, show_default=True, help="How long a turn is.")
@click.option("--connections", default=8, show_default=True, help="Connections, one request under way on each.")
@click.option("--orders", default=20_000, show_default=True, help="Orders that wait for their notify, on each server.")
@click.option("--watchers", default=0, show_default=True, help="Sockets that watch, on each server.")
def main(*, slices: int, seconds: float, connections: int, orders: int, watchers: int) -> None:
    """Measure the fronts; the exit code is 1 if any request was not answered 200."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})
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

    name: str
    process: ServerProcess
    cookie: str
    order_id: str
    notifies: Iterator[bytes]
    repeat: bytes
    rates: dict[str, list[float]] = field(default_factory=dict)
    costs_us: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0

    @property
    def cpu_s(self) -> float:
        """CPU seconds this process has used, in user and kernel."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    @property
    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def take_turn(self, load: str, client: RawClient, requests: Iterator[bytes], seconds: float) -> None:
        before_s = self.cpu_s
        done = client.run(requests, seconds)
        spent_s = self.cpu_s - before_s
        if not done.answers:
            return
        self.rates.setdefault(load, []).append(done.answers / done.seconds)
        self.costs_us.setdefault(load, []).append(spent_s / done.answers * 1e6)
        self.failed += done.answers - done.statuses.get(b"200", 0)


Loads = dict[str, Callable[[Rival], Iterator[bytes]]]
LOADS: Final[Loads] = {
    "a notify that settles": lambda rival: rival.notifies,
    "a notify that repeats": lambda rival: itertools.repeat(rival.repeat),
    "GET one order": lambda rival: itertools.repeat(_get(rival, f"/api/orders/{rival.order_id}")),
    "GET /healthz": lambda rival: itertools.repeat(_get(rival, "/healthz")),
}


async def _measure(turns: Turns, orders: int, watchers: int) -> int:
    console.print(f"load average before: {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores")
    with TemporaryDirectory() as folder:
        async with _rivals(Path(folder), orders) as rivals:
            for load, requests_of in LOADS.items():
                _take_turns(load, rivals, requests_of, turns)
            console.print(_rates(rivals))
            for rival in rivals if watchers else ():
                each_bytes = _bytes_a_watcher(rival, watchers)
                console.print(f"{rival.name}: {each_bytes:,.0f} bytes for each of {watchers:,} watchers")
            console.print(f"load average after: {os.getloadavg()[0]:.1f}")
            return 1 if any(rival.failed for rival in rivals) else 0


def _take_turns(load: str, rivals: list[Rival], requests_of: Callable[[Rival], Iterator[bytes]], turns: Turns) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(a_raw_client(rival.process.port, turns.connections)) for rival in rivals]
        for rival, client in zip(rivals, clients, strict=True):  # so that nothing is done for the first time
            client.run(itertools.islice(requests_of(rival), 200), turns.seconds)
        for _ in track(range(turns.slices), load, console=console):
            for rival, client in zip(rivals, clients, strict=True):
                rival.take_turn(load, client, requests_of(rival), turns.seconds)


@asynccontextmanager
async def _rivals(folder: Path, orders: int) -> AsyncIterator[list[Rival]]:
    """Yield a running server for each front, all with one simulated WeChat."""
    async with AsyncExitStack() as stack:
        wechat = await start_sandbox()
        stack.push_async_callback(wechat.aclose)
        control = await stack.enter_async_context(a_client(wechat.url))
        merchant = (await control.get("/_sim/merchant")).json()
        openids = {user["nickname"]: user["openid"] for user in (await control.get("/_sim/users")).json()}
        initiator, friend = (Payer(openids[name], name, "") for name in ("小红", "小明"))
        rivals = []
        for number, (name, front) in enumerate(FRONTS.items()):
            made = [an_order(initiator, friend, now_ms=_now_ms()) for _ in range(orders)]
            (folder / str(number)).mkdir()
            await _store(made, folder / str(number))
            process = _a_server(folder / str(number), wechat.url, merchant, front)
            await process.start()
            stack.push_async_callback(process.aclose)
            os.sched_setaffinity(process.pid, {0})
            page = await stack.enter_async_context(Person("小红", process.url))
            await page.log_in()
            cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in page.http.cookies.jar)
            notifies = [_notify(order, merchant, friend.openid, control) for order in made]
            rivals.append(Rival(name, process, cookie, made[0].order_id, iter(notifies), notifies[0]))
        yield rivals


async def _store(orders: list[Order], folder: Path) -> None:
    async with aclosing(await SqliteStore.open(folder / SQLITE_FILE)) as store:
        for some in _batches(orders, 500):
            await asyncio.gather(*(store.insert(order) for order in some))


def _batches(orders: list[Order], size: int) -> Iterator[list[Order]]:
    for start in range(0, len(orders), size):
        yield orders[start : start + size]


def _a_server(folder: Path, wechat_url: str, merchant: dict[str, Any], front: dict[str, str]) -> ServerProcess:
    port = a_free_port()
    environment = merchant_environment(f"http://127.0.0.1:{port}", wechat_url, merchant)
    most = dict.fromkeys(("WATCH_MAX_PER_PERSON", "WATCH_MAX_PER_ADDRESS"), "100000")
    return ServerProcess(port=port, data_dir=folder, environment={**environment, **most, **front})


def _notify(order: Order, merchant: dict[str, Any], openid: str, http: httpx.AsyncClient) -> bytes:
    out_trade_no = order.payments[0].out_trade_no
    body = Forger(http, merchant, out_trade_no, openid).body(transaction_id="42" + out_trade_no[:26])
    head = f"POST {NOTIFY_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/4.0\r\nPragma: no-cache\r\n"
    return f"{head}Accept: */*\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _get(rival: Rival, path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: MicroMessenger\r\nAccept: application/json\r\n"
    return f"{head}Accept-Language: zh-CN\r\nCookie: {rival.cookie}\r\n\r\n".encode()


def _bytes_a_watcher(rival: Rival, watchers: int) -> float:
    """Open so many sockets that watch one order, from several addresses, and return what each costs the server."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
    head = f"GET /ws/orders/{rival.order_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {rival.process.url}\r\n"
    handshake = f"{head}Cookie: {rival.cookie}\r\n{upgrade}\r\n\r\n".encode()
    with ExitStack() as stack:
        for number in range(100):  # whatever the first ones cost
            _watch(stack, rival.process.port, number, handshake)
        before_bytes = rival.resident_bytes
        for number in track(range(watchers), f"{rival.name}: watchers", console=console):
            _watch(stack, rival.process.port, number, handshake)
        return (rival.resident_bytes - before_bytes) / watchers


def _watch(stack: ExitStack, port: int, number: int, handshake: bytes) -> None:
    page = stack.enter_context(socket.socket())
    page.settimeout(PATIENCE_S)
    page.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
    page.connect(("127.0.0.1", port))
    page.sendall(handshake)
    came = b""
    while b'"type":"order"' not in came:
        came += page.recv(65536)


def _rates(rivals: list[Rival]) -> Table:
    first = rivals[0]
    shown = Table("", *(f"{rival.name}: a second" for rival in rivals), *("CPU µs" for _ in rivals))
    for load in LOADS:
        rates = [median(rival.rates.get(load, [0])) for rival in rivals]
        costs = [median(rival.costs_us.get(load, [0])) for rival in rivals]
        ratios = [median(_ratios(rival.rates.get(load, []), first.rates.get(load, []))) for rival in rivals]
        cells = (f"{rate:,.0f} ({ratio:.2f} x)" for rate, ratio in zip(rates, ratios, strict=True))
        shown.add_row(load, *cells, *(f"{cost:.0f}" for cost in costs))
    shown.add_row("not answered 200", *(str(rival.failed) for rival in rivals))
    return shown


def _ratios(rates: list[float], others: list[float]) -> list[float]:
    """Return turn by turn how much faster one was than the other in the turn beside it."""
    return [rate / other for rate, other in zip(rates, others, strict=False)] or [0.0]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main()
