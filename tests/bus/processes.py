"""Two processes' worth of watching inside one test: a hub and a Redis bus each, and the store they share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from server.bus.hub import Framing, Hub, Watcher
from server.bus.news import channel_of
from server.bus.redis import BusTimes, RedisBus
from server.domain.document import Order
from server.ports import Store
from tests.builders import after, an_order, paid, started
from tests.redis_server import RedisServer
from tests.stores.stored_orders import changed

# Every promise in seconds, a tenth as long.
QUICK: Final = BusTimes(canary_s=0.1, doubt_s=0.5, reread_s=0.1, deaf_s=0.9, round_s=3600)

# Nothing is read again but what a (re)subscription asks for.
NEWS_ONLY: Final = BusTimes(canary_s=0.1, doubt_s=3600, reread_s=3600, deaf_s=3600, round_s=3600)

PATIENCE_S: Final = 10


class WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Page:
    """A watcher's transport that keeps what it was given and can be waited for."""

    framing: Framing = bytes

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def write(self, frame: bytes) -> bool:
        state = msgspec.json.decode(frame)
        if state["type"] == "order":
            self.states.append(state)
            self._changed.set()
        return True

    def ping(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    @property
    def revs(self) -> list[int]:
        return [state["rev"] for state in self.states]

    @property
    def title(self) -> str:
        return str(self.states[-1]["order"]["title"])

    async def shows(self, rev: int, *, within_s: float = PATIENCE_S) -> None:
        """Wait until this rev is on the page."""
        async with asyncio.timeout(within_s):
            while not self.revs or self.revs[-1] < rev:
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Process:
    """What one server process has of the watch channel."""

    hub: Hub
    bus: RedisBus
    store: Store

    def begin_to_watch(self, order_id: str) -> tuple[Page, Watcher]:
        page = Page()
        return page, self.hub.watch(order_id, "a friend", page)

    async def watch(self, order_id: str) -> Page:
        """Open a page as the watch handler does: subscribe first, read second."""
        page, watcher = self.begin_to_watch(order_id)
        self.hub.offer_to(watcher, await self.store.get(order_id))
        return page

    async def commit(self, before: Order, *, title: str = "奶茶") -> Order:
        """Write the order's next rev; nobody is told."""
        order = changed(before, title=title)
        assert await self.store.replace(order, was_rev=before.rev)
        return order

    async def change(self, before: Order, *, title: str = "奶茶") -> Order:
        """Write the order's next rev and tell everybody."""
        order = await self.commit(before, title=title)
        at_once(self.bus.publish(order))
        return order


def at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run this to its end and prove that it waited for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


@asynccontextmanager
async def a_process(url: str, store: Store, times: BusTimes = QUICK) -> AsyncIterator[Process]:
    hub = Hub(clock=WallClock(), monotonic_s=time.monotonic)
    bus = await RedisBus.open(url, hub=hub, store=store, times=times)
    try:
        yield Process(hub, bus, store)
    finally:
        await bus.aclose()


def a_paid_order() -> Order:
    """Return an order of every kind of part, as a friend who paid leaves it."""
    return after(an_order(300), started(), paid(amount=300))


async def until(is_true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition nobody signals."""
    async with asyncio.timeout(within_s):
        while not is_true():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)


def channels(redis_server: RedisServer) -> set[str]:
    return {name.decode() for name in redis_server.do("PUBSUB", "CHANNELS", "daifu:order:*")}


async def subscribed(redis_server: RedisServer, *order_ids: str) -> None:
    wanted = {channel_of(order_id) for order_id in order_ids}
    await until(lambda: channels(redis_server) == wanted)
