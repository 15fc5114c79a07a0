"""
How long the statistics of many orders take to ask for, and to add up.

    python -m benchmarks.stats --orders 1000000

builds a SQLite file of so many orders over a year (kept with --keep and used again), adds its days up, and then asks
`/api/stats` of a daifu that has it open: for a day, a month and the whole year.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Final

import click
import httpx
from msgspec import json
from msgspec.structs import replace
from tornado.netutil import bind_sockets
from ulid import ULID

from handlers.process import Server
from server.bootstrap import SQLITE_FILE, build
from server.domain.days import DAY_MS, day_after, day_of
from server.domain.document import Order, new_order
from server.domain.events import (
    Evidence,
    OrderExpired,
    PaymentConfirmed,
    PaymentStarted,
    PaymentUnpaid,
    Person,
    TradeState,
    TradeType,
)
from server.domain.money import Fen
from server.domain.order import apply
from server.stores.sqlite import SqliteStore
from settings import load_settings

DAYS: Final = 365
PER_INITIATOR: Final = 3  # orders
ASKS: Final = 20
PAGE: Final = 10_000
NOWHERE: Final = "http://127.0.0.1:9"
MERCHANT: Final = {
    "session_secrets": "a session secret for benchmarks and nothing else",
    "wechat_appid": "wx0000000000000000",
    "wechat_app_secret": "for benchmarks",
    "wechat_mchid": "1900000109",
    "wechat_api_keys": "benchmarksonlybenchmarksonly1234",
    "wechat_base_urls": NOWHERE,
}


@click.command()
@click.option("--orders", default=1_000_000, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="A folder to build in, or one that was kept.")
def main(orders: int, keep: Path | None) -> None:
    """Measure the statistics."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(keep or Path(folder), orders))


async def measure(folder: Path, orders: int) -> None:
    """Build, add up, ask; print each time."""
    path = folder / SQLITE_FILE
    if not path.exists():
        await (await SqliteStore.open(path)).aclose()
        began_s = time.monotonic()
        await asyncio.to_thread(fill, path, orders)
        say("built", time.monotonic() - began_s, f"{path.stat().st_size / 2**20:.0f} MB")
    sockets = bind_sockets(0, "127.0.0.1")
    port = sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    services = await build(load_settings(_env_file=None, port=port, public_url=url, data_dir=folder, **MERCHANT))
    began_s = time.monotonic()
    await services.stats_keeper.bring_up_to_date()
    say("all days added up", time.monotonic() - began_s)
    today = day_of(services.clock.now_ms())
    services.changed_days.add(day_after(today, -10))
    began_s = time.monotonic()
    await services.stats_keeper.bring_up_to_date()
    say("one day added up again", time.monotonic() - began_s)
    async with aclosing(Server(services, sockets)), httpx.AsyncClient(trust_env=False, timeout=60) as http:
        for days in (1, 30, DAYS):
            await ask(http, f"{url}/api/stats", {"from": day_after(today, 1 - days), "to": today}, days)


async def ask(http: httpx.AsyncClient, url: str, window: dict[str, str], days: int) -> None:
    took_s = []
    for _ in range(ASKS):
        began_s = time.monotonic()
        answer = (await http.get(url, params=window)).raise_for_status().json()
        took_s.append(time.monotonic() - began_s)
    fission = answer["fission"]
    counted = f"{answer['funnel']['created']} orders, seed {fission['seed']}, new {fission['new']}"
    say(f"GET /api/stats, {days} days", statistics.median(took_s), f"worst {max(took_s) * 1000:.0f} ms; {counted}")


def say(what: str, took_s: float, more: str = "") -> None:
    click.echo(f"{what:28} {took_s * 1000:10.0f} ms   {more}")


def fill(path: Path, orders: int) -> None:
    """Write so many orders and their people past the store, whose every write is flushed to the disk."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        rows = order_rows(orders)
        while page := [row for _, row in zip(range(PAGE), rows, strict=False)]:
            connection.executemany(
                "INSERT INTO orders (order_id, rev, initiator, state, doc) VALUES (?, ?, ?, ?, ?)", page
            )
        connection.executemany("INSERT INTO users VALUES (?, '', '', ?, ?)", user_rows(orders))
        connection.commit()


async def a_grown_store(path: Path, orders: int) -> None:
    """Fill the store with so many orders and add their days up, as a server that has run for a year has done."""
    await asyncio.to_thread(fill, path, orders)
    services = await build(load_settings(_env_file=None, public_url=NOWHERE, data_dir=path.parent, **MERCHANT))
    async with aclosing(services):
        await services.stats_keeper.bring_up_to_date()


def order_rows(orders: int) -> Iterator[tuple[str, int, str, str, bytes]]:
    """Yield rows of the table `orders`: a third paid, a third tried, a third left alone; made from three patterns."""
    made = (an_order(paid=True), an_order(started=True), an_order())
    patterns = [(order.state, json.encode(order).decode()) for order in made]
    first_ms = time.time_ns() // 1_000_000 - DAYS * DAY_MS
    for number in range(orders):
        order_id = str(ULID.from_bytes((first_ms + number * DAYS * DAY_MS // orders).to_bytes(6) + number.to_bytes(10)))
        initiator = f"oInitiatorOfTheBenchmark{number * 7919 % orders // PER_INITIATOR:07}"
        state, pattern = patterns[number % 3]
        doc = pattern.replace(PATTERN_ID, order_id).replace(PATTERN_INITIATOR, initiator)
        yield order_id, 3, initiator, state, doc.replace(PATTERN_PAYER, payer_of(number)).encode()


def user_rows(orders: int) -> Iterator[tuple[str, int, str]]:
    """Yield who paid: first seen when they did, and brought by somebody."""
    first_ms = time.time_ns() // 1_000_000 - DAYS * DAY_MS
    for number in range(0, orders, 3):
        yield payer_of(number), first_ms + number * DAYS * DAY_MS // orders, "somebody"


def payer_of(number: int) -> str:
    return f"oPayerOfTheBenchmark{number:08}"


PATTERN_ID: Final = "0" * 26
PATTERN_INITIATOR: Final = "the initiator"
PATTERN_PAYER: Final = "the payer"


def an_order(*, started: bool = False, paid: bool = False) -> Order:
    """Return an order of the pattern's ids whose time is over."""
    order = new_order(
        order_id=PATTERN_ID,
        initiator=Person(PATTERN_INITIATOR, "小红", "https://thirdwx.qlogo.cn/mmopen/benchmark/132"),
        title="两杯杨枝甘露",
        note="",
        shares=(Fen(1800),),
        now_ms=0,
        expires_at_ms=1_800_000,
    )
    if started or paid:
        payer = Person(PATTERN_PAYER, "小明", "https://thirdwx.qlogo.cn/mmopen/benchmark/132")
        press = PaymentStarted(payer=payer, trade_type=TradeType.JSAPI, client_ip="203.0.113.7", lease_ms=120_000)
        order = apply(order, press, now_ms=1000)
    if paid:
        confirmed = PaymentConfirmed(
            out_trade_no=order.payments[0].out_trade_no,
            transaction_id="4200000000202601010000000001",
            amount=Fen(1800),
            openid="",
            paid_at_ms=20_000,
            evidence=Evidence.NOTIFY,
        )
        return replace(apply(order, confirmed, now_ms=20_900), effects=())
    order = apply(order, OrderExpired(), now_ms=1_800_000)
    if started:
        order = apply(order, PaymentUnpaid(order.payments[0].out_trade_no, TradeState.CLOSED), now_ms=1_900_000)
    return replace(order, effects=())


if __name__ == "__main__":
    main()
