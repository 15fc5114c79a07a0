"""
What one order costs: the bytes of its document, of a frame and of a message between processes, the writes of its store,
the calls to WeChat, and the CPU of the steps that grow with load.

One order with one friend goes its whole way through a real server and the simulated WeChat; the steps are then repeated
by themselves.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from sandbox.app import start as start_sandbox
from server.bootstrap import Services
from server.bus.hub import OrderFrame
from server.bus.news import channel_of, read_news, write_news
from server.domain.document import Order
from server.domain.notify import Notify, NotifyFilter
from server.domain.order import apply
from server.domain.public_order import public_order
from server.metrics import Metrics
from server.ports import Store
from server.wechat.v2 import NotPaid, parse_notify
from server.wechat.v2_sign import Merchant
from tests.people import Person, a_client
from tests.running import Daifu, start_daifu

TIMES: Final = 2_000

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Order).decode


class Counted:
    """A store that counts what it is asked and keeps every state it was given."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()
        self.states: list[Order] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if name not in ("insert", "get", "replace"):
            return value

        async def counted(*args: Any, **named: Any) -> Any:
            self.asked[name] += 1
            if name != "get":
                self.states.append(args[0])
            return await value(*args, **named)

        return counted


async def one_order(daifu: Daifu, control: httpx.AsyncClient) -> None:
    """An initiator asks, watches, and a friend pays."""
    async with Person("小红", daifu.url) as initiator, Person("小明", daifu.url) as friend:
        for person in (initiator, friend):
            await person.log_in()
        order_id = (await initiator.place_order())["order_id"]
        pages = [await initiator.watch(order_id), await friend.watch(order_id)]
        out_trade_no = await friend.start_payment(order_id)
        await control.post("/_sim/pay", json={"out_trade_no": out_trade_no})
        for page in pages:
            await page.until_state("PAID")


def cpu_us(step: Callable[[], object]) -> float:
    """Return the CPU of this step, in microseconds: the mean of many."""
    begun_s = time.process_time()
    for _ in range(TIMES):
        step()
    return (time.process_time() - begun_s) / TIMES * 1e6


def calls_of(metrics: Metrics) -> list[str]:
    """Return which calls WeChat was asked."""
    found = (metric for metric in metrics.registry.collect() if metric.name == "daifu_wechat_calls")
    return [sample.labels["call"] for metric in found for sample in metric.samples]


async def _the_notify(services: Services) -> Notify:
    for _ in range(100):  # it is written down after WeChat has its answer
        if found := await services.journal.find(NotifyFilter(), limit=1):
            return found[0]
        await asyncio.sleep(0.05)
    raise SystemExit("no notify came")


def sizes(states: list[Order], notify: Notify) -> Iterator[tuple[str, str]]:
    """Yield what is how large, in bytes."""
    paid = states[-1]
    yield "document, as placed", f"{len(_encode(states[0]))} bytes"
    yield "document, as paid", f"{len(_encode(paid))} bytes"
    yield "frame (one view)", f"{len(_frame(paid))} bytes"
    yield "message between processes", f"{len(write_news(paid))} bytes"
    yield "notify, as WeChat posts it", f"{len(notify.body)} bytes"


def costs(states: list[Order], notify: Notify, merchant: Merchant) -> Iterator[tuple[str, str]]:
    """Yield what takes how much CPU."""
    paid = states[-1]
    unpaid = next(state for state in reversed(states) if not any(payment.is_paid for payment in state.payments))
    confirmed = parse_notify(notify.headers, notify.body, merchant)
    if isinstance(confirmed, NotPaid):
        raise SystemExit("the notify reports no payment")
    document, news, channel = _encode(paid), write_news(paid), channel_of(paid.order_id)
    steps: dict[str, Callable[[], object]] = {
        "read and check a notify": lambda: parse_notify(notify.headers, notify.body, merchant),
        "decide (apply)": lambda: apply(unpaid, confirmed, now_ms=notify.received_at_ms),
        "write the document": lambda: _encode(paid),
        "read the document": lambda: _decode(document),
        "make a frame": lambda: _frame(paid),
        "write a message": lambda: write_news(paid),
        "read a message": lambda: read_news(channel, news).order(),
    }
    for name, step in steps.items():
        yield name, f"{cpu_us(step):.0f} µs"


def _frame(order: Order) -> bytes:
    return _encode(OrderFrame(order.rev, public_order(order, order.initiator.openid)))


async def main() -> None:
    with TemporaryDirectory() as folder:
        sandbox = await start_sandbox()
        counted: list[Counted] = []

        def parts(services: Services) -> Services:
            counted.append(Counted(services.store))
            return replace(services, store=cast("Store", counted[0]))

        async with a_client(sandbox.url) as control:
            merchant = (await control.get("/_sim/merchant")).json()
            daifu = await start_daifu(data_dir=Path(folder), wechat_url=sandbox.url, merchant=merchant, parts=parts)
            await one_order(daifu, control)
            notify = await _the_notify(daifu.services)
            calls = calls_of(daifu.services.metrics)
            states, asked = counted[0].states, counted[0].asked
            table = Table("one order, one friend", "")
            for row in (*sizes(states, notify), *costs(states, notify, daifu.services.merchant)):
                table.add_row(*row)
            table.add_row("store", ", ".join(f"{count} {name}" for name, count in sorted(asked.items())))
            table.add_row("calls to WeChat", ", ".join(calls))
            Console(width=110).print(table)
            await daifu.aclose()
        await sandbox.aclose()


if __name__ == "__main__":
    asyncio.run(main())
