"""Who opened a link is on the initiator's pages, on whatever process he watches and the link was opened."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec
import pytest

from server.bootstrap import stats_of
from server.bus import visits as visits_module
from server.bus.hub import Framing, Hub
from server.bus.local import LocalBus
from server.bus.visits import Visits
from server.domain.day_stats import Trace, TraceKind
from server.domain.document import Order
from server.domain.user import User
from server.ports import Bus, StatsStore
from server.stores.sqlite import SqliteStore
from tests.bus.processes import NEWS_ONLY, PATIENCE_S, QUICK, WallClock, a_process, at_once, subscribed, until
from tests.redis_server import RedisServer
from tests.stores.stored_orders import an_order, order_id

INITIATOR: Final = "the initiator"

Opens = Callable[[str], Awaitable[None]]


class Page:
    """A watcher's transport that keeps the names it was given; while `is_slow` no write gets done."""

    framing: Framing = bytes

    def __init__(self, *, is_slow: bool = False) -> None:
        self.told: list[list[str]] = []
        self._is_slow = is_slow
        self._changed = asyncio.Event()

    def write(self, frame: bytes) -> bool:
        said = msgspec.json.decode(frame)
        if said["type"] == "visitors":
            self.told.append([visitor["name"] for visitor in said["visitors"]])
            self._changed.set()
        return not self._is_slow

    def ping(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    async def shows(self, *names: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.told or self.told[-1] != list(names):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        yield store


@pytest.fixture
def stats(store: SqliteStore) -> StatsStore:
    return stats_of(store)


@pytest.fixture
def hub() -> Hub:
    return Hub(clock=WallClock(), monotonic_s=time.monotonic)


@pytest.fixture
async def visits(stats: StatsStore, hub: Hub) -> AsyncIterator[Visits]:
    async with aclosing(Visits(stats=stats, hub=hub)) as visits:
        yield visits


@pytest.fixture
def opens(store: SqliteStore, stats: StatsStore) -> Opens:
    """Write down that this person opened the first order's link; nobody is told."""

    async def opens(name: str) -> None:
        await store.remember_user(User(openid=name, name=name, avatar="", first_seen_ms=1))
        await stats.leave_trace(Trace(order_id(1), TraceKind.OPENED, name, WallClock().now_ms()))

    return opens


class TestOneProcess:
    async def test_the_initiator_is_told_who_came_and_whoever_comes(
        self, hub: Hub, visits: Visits, opens: Opens
    ) -> None:
        bus: Bus = LocalBus(hub)
        await opens("小明")
        initiator, friend = Page(), Page()
        visits.attend(hub.watch(order_id(1), INITIATOR, initiator))
        hub.watch(order_id(1), "a friend", friend)
        await initiator.shows("小明")

        await opens("老王")
        at_once(bus.publish_visit(order_id(1)))

        await initiator.shows("老王", "小明")
        assert friend.told == []

    async def test_a_page_that_left_is_told_nothing_and_costs_no_read(
        self, hub: Hub, visits: Visits, opens: Opens
    ) -> None:
        gone, stays = Page(), Page()
        watcher = hub.watch(order_id(1), INITIATOR, gone)
        visits.attend(watcher)
        visits.attend(hub.watch(order_id(1), INITIATOR, stays))
        visits.leave(watcher)
        visits.leave(watcher)

        await opens("小明")
        hub.visited([order_id(1), order_id(2)])

        await stays.shows("小明")
        assert gone.told == []

    async def test_a_mere_doubt_costs_a_read_only_once_in_a_while(
        self, hub: Hub, visits: Visits, opens: Opens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = Page()
        await opens("小明")
        visits.attend(hub.watch(order_id(1), INITIATOR, page))
        await page.shows("小明")

        await opens("老王")
        hub.may_have_been_visited([order_id(1)])
        await opens("小红")
        hub.visited([order_id(1)])
        await until(lambda: len(page.told) > 1)
        assert [len(names) for names in page.told] == [1, 3]

        monkeypatch.setattr(visits_module, "STALE_S", 0.0)
        await opens("小刚")
        hub.may_have_been_visited([order_id(1)])
        await until(lambda: len(page.told) > 2)
        assert [len(names) for names in page.told] == [1, 3, 4]

    async def test_a_page_the_hub_has_let_go_is_told_nothing_more(self, hub: Hub, visits: Visits, opens: Opens) -> None:
        ended, late, stays = Page(), Page(), Page()
        watchers = [hub.watch(order_id(1), INITIATOR, page) for page in (ended, late, stays)]
        visits.attend(watchers[0])
        visits.attend(watchers[2])
        for watcher in watchers[:2]:
            hub.forget(watcher)
        visits.attend(watchers[1])  # its order was still being read when it went

        await opens("小明")
        hub.visited([order_id(1)])

        await stays.shows("小明")
        assert ended.told == late.told == []

    async def test_a_slow_page_gets_the_states_first_and_then_only_the_newest_visitors(
        self, hub: Hub, visits: Visits, opens: Opens
    ) -> None:
        slow = Page(is_slow=True)
        watcher = hub.watch(order_id(1), INITIATOR, slow)
        other = Page()
        visits.attend(watcher)
        visits.attend(hub.watch(order_id(1), INITIATOR, other))
        watcher.offer(1, b'{"type":"order"}', 0)
        for names in (["小明"], ["老王", "小明"]):
            await opens(names[0])
            hub.visited([order_id(1)])
            await other.shows(*names)
        watcher.offer(2, b'{"type":"order"}', 0)

        watcher.written(0)
        assert slow.told == []
        watcher.written(0)

        assert slow.told == [["老王", "小明"]]


@pytest.mark.redis
class TestTwoProcesses:
    @pytest.fixture
    async def order(self, store: SqliteStore) -> Order:
        order = an_order()
        assert order.order_id == order_id(1)
        await store.insert(order)
        return order

    async def test_a_link_opened_there_is_told_here(
        self, redis_server: RedisServer, store: SqliteStore, stats: StatsStore, order: Order, opens: Opens
    ) -> None:
        async with (
            a_process(redis_server.url, store, NEWS_ONLY) as here,
            a_process(redis_server.url, store, NEWS_ONLY) as there,
            aclosing(Visits(stats=stats, hub=here.hub)) as visits,
        ):
            page = Page()
            visits.attend(here.hub.watch(order.order_id, INITIATOR, page))
            await subscribed(redis_server, order.order_id)
            await until(lambda: here.bus.reader.reads == 1)

            await opens("小明")
            at_once(there.bus.publish_visit(order.order_id))

            await page.shows("小明")

    async def test_a_visit_nobody_heard_of_is_told_when_the_orders_are_read_again(
        self,
        redis_server: RedisServer,
        store: SqliteStore,
        stats: StatsStore,
        order: Order,
        opens: Opens,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(visits_module, "STALE_S", 0.0)
        async with (
            a_process(redis_server.url, store, QUICK) as here,
            aclosing(Visits(stats=stats, hub=here.hub)) as visits,
        ):
            page = Page()
            visits.attend(here.hub.watch(order.order_id, INITIATOR, page))
            await until(lambda: here.bus.subscriber.is_subscribed)

            await opens("小明")
            redis_server.do("CLIENT", "KILL", "TYPE", "pubsub")

            await page.shows("小明")
