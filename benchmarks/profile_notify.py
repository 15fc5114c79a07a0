"""
Where one notify's time goes, step by step, in a real daifu on SQLite with a page on every order.

    python -m benchmarks.profile_notify

One notify at a time, so that every step is its own: under load many share one commit. The clocks in between cost
about a microsecond a step.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, cast
from unittest.mock import patch

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.daifu_process import AHEAD_MS, Shop, a_shop
from benchmarks.load import an_order
from benchmarks.machine import described
from benchmarks.measures import ACKNOWLEDGED
from benchmarks.stopwatch import Stopwatch
from handlers import judge_notify
from handlers.front.connection import Connection
from handlers.front.exchange import Exchange
from server.bootstrap import Services
from server.bus.hub import Hub
from server.domain.document import Order
from server.ports import Store
from server.usecases import change_order
from server.usecases.record_notifies import NotifyRecorder
from server.wechat import v2
from tests.people import Person
from tests.running import Daifu, start_daifu

READ: Final = "read HTTP (llhttp, headers, route)"
PARSE: Final = "parse the XML"
SIGN: Final = "check the signature"
CHECK: Final = "check the other fields"
GET: Final = "store: read the order"
APPLY: Final = "apply (decide)"
COMMIT: Final = "store: commit, fsync included"
ANSWER: Final = "answer (write, system call)"
REST: Final = "the rest (task switches, headers of the answer)"
PUSH: Final = "push: make the frame, write it"
JOURNAL: Final = "note it for the journal"

BEFORE_ANSWER: Final = (READ, PARSE, SIGN, CHECK, GET, APPLY, COMMIT, ANSWER)
AFTER_ANSWER: Final = (PUSH, JOURNAL)
STEPS: Final = (*BEFORE_ANSWER, REST, *AFTER_ANSWER)
WARM_UP: Final = 20

Rounds = Sequence[dict[str, float]]


class TimedStore:
    """A store whose reads and compare-and-sets are timed."""

    def __init__(self, store: Store, watch: Stopwatch) -> None:
        self._store = store
        self.get = watch.wait(GET, store.get)
        self.replace = watch.wait(COMMIT, store.replace)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@click.command()
@click.option("--notifies", default=300, show_default=True)
def main(*, notifies: int) -> None:
    """Print the median time of every step of a notify."""
    console = Console()
    console.print(described(), highlight=False)
    console.print(table(asyncio.run(_rounds(notifies + WARM_UP, console))[WARM_UP:]))


async def _rounds(notifies: int, console: Console) -> Rounds:
    watch = Stopwatch()
    rounds: list[dict[str, float]] = []
    with TemporaryDirectory() as folder:
        async with a_shop() as shop, AsyncExitStack() as stack:
            stack.enter_context(_clocks(watch))
            daifu = await _a_daifu(Path(folder), shop, watch)
            stack.push_async_callback(daifu.aclose)
            person = await stack.enter_async_context(Person(shop.initiator.name, daifu.url))
            await person.log_in()
            from_daifu, to_daifu = await asyncio.open_connection("127.0.0.1", daifu.port)
            for _ in track(range(notifies), "notifies", console=console, transient=True):
                order = await _an_order(shop, daifu)
                page = await person.watch(order.order_id)
                await page.next_state()
                watch.next_round()
                to_daifu.write(shop.notify(order))
                answer = await from_daifu.readuntil(b"</xml>")
                if ACKNOWLEDGED not in answer:
                    raise SystemExit(f"refused: {answer!r}")
                await page.until_state("PAID")
                whole_s = watch.until_s(ANSWER)
                steps = watch.next_round()
                rounds.append({**steps, REST: whole_s - sum(steps.get(name, 0.0) for name in BEFORE_ANSWER)})
                page.close()
            to_daifu.close()
    return rounds


@contextmanager
def _clocks(watch: Stopwatch) -> Iterator[None]:
    """Put a clock around every step that is a function."""
    steps: dict[str, tuple[object, str]] = {
        READ: (Connection, "buffer_updated"),
        PARSE: (v2, "read_flat_xml"),
        SIGN: (v2, "verify"),
        CHECK: (judge_notify, "parse_notify"),
        APPLY: (change_order, "apply"),
        ANSWER: (Exchange, "answer"),
        PUSH: (Hub, "_offer_slices"),
        JOURNAL: (NotifyRecorder, "note"),
    }
    with ExitStack() as stack:
        for name, (owner, function) in steps.items():
            stack.enter_context(patch.object(owner, function, watch.step(name, getattr(owner, function))))
        yield


async def _a_daifu(folder: Path, shop: Shop, watch: Stopwatch) -> Daifu:
    def timed(services: Services) -> Services:
        return replace(services, store=cast("Store", TimedStore(services.store, watch)))

    return await start_daifu(
        data_dir=folder, wechat_url=shop.wechat_url, merchant=shop.merchant, parts=timed, http_front="fast"
    )


async def _an_order(shop: Shop, daifu: Daifu) -> Order:
    order = an_order(shop.initiator, shop.friend, now_ms=daifu.services.clock.now_ms() + AHEAD_MS)
    await daifu.services.store.insert(order)
    return order


def table(rounds: Rounds) -> Table:
    """Return a line for each step: its median in microseconds, and its share of the time to the answer."""
    medians = {name: median(each.get(name, 0.0) for each in rounds) * 1e6 for name in STEPS}
    whole = sum(medians[name] for name in (*BEFORE_ANSWER, REST))
    shown = Table("one notify", "µs", "share", title=f"medians of {len(rounds)}")
    for name in (*BEFORE_ANSWER, REST):
        shown.add_row(name, f"{medians[name]:.0f}", f"{medians[name] / whole:.0%}")
    shown.add_row("until it is answered", f"{whole:.0f}", "100%", end_section=True)
    for name in AFTER_ANSWER:
        shown.add_row(name, f"{medians[name]:.0f}", "")
    return shown


if __name__ == "__main__":
    main()
