"""Wherever the news is cut off: revs never fall, and the last one on the page is the true one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.bus.hub import Watcher
from server.bus.news import channel_of, write_news
from server.bus.redis import BusTimes
from server.stores.sqlite import SqliteStore
from tests.bus.processes import NEWS_ONLY, Page, Process, a_process, at_once
from tests.proxy import Proxy
from tests.redis_server import RedisServer
from tests.stores.stored_orders import an_order, changed

pytestmark = pytest.mark.redis

# Three steps of a page that opens there and two of a change here, in every order that keeps each one's own.
INTERLEAVINGS: Final = [
    "".join("c" if place in here else "o" for place in range(5)) for here in combinations(range(5), 2)
]

MENDED_QUICKLY: Final = BusTimes(canary_s=0.05, doubt_s=0.2, reread_s=0.05, deaf_s=0.5, round_s=0.2)


@pytest.mark.parametrize("heard_after", range(6))
@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
async def test_a_page_that_opens_while_an_order_changes_ends_on_the_true_state(
    redis_server: RedisServer, tmp_path: Path, interleaving: str, heard_after: int
) -> None:
    order = an_order()
    async with (
        aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store,
        Proxy(redis_server.port) as proxy,
        a_process(redis_server.url, store, NEWS_ONLY) as here,
        a_process(proxy.url, store, NEWS_ONLY) as there,
    ):
        await store.insert(order)
        page, watcher, read = Page(), None, order
        opening, changing = iter(("watch", "read", "offer")), iter(("commit", "publish"))
        proxy.hold()
        for place, who in enumerate(interleaving):
            if place == heard_after:
                proxy.release()
                await some_turns()
            match next(opening if who == "o" else changing):
                case "watch":
                    watcher = there.hub.watch(order.order_id, "a friend", page)
                case "read":
                    read = await store.get(order.order_id)
                case "offer":
                    assert watcher is not None
                    there.hub.offer_to(watcher, read)
                case "commit":
                    await here.commit(order)
                case "publish":
                    at_once(here.bus.publish(changed(order)))
        proxy.release()

        await page.shows(2)
        assert page.revs in ([2], [1, 2])


class Scene:
    """Two processes, an order that changes here and a page that is looked at there. Each method may happen any time."""

    def __init__(self, redis_server: RedisServer, here: Process, there: Process, proxies: tuple[Proxy, Proxy]) -> None:
        self._redis_server = redis_server
        self._here, self._there = here, there
        self._proxy_here, self._proxy_there = proxies
        self._watcher: Watcher | None = None
        self.order = an_order()
        self.pages: list[Page] = []

    async def change(self) -> None:
        self.order = await self._here.change(self.order)

    async def change_and_die_before_saying_so(self) -> None:
        self.order = await self._here.commit(self.order)

    async def say_again_what_was_true_before(self) -> None:
        self._say(write_news(an_order()))

    async def say_nonsense(self) -> None:
        self._say(b"{}")

    async def cut_the_subscriber(self) -> None:
        self._proxy_there.cut()

    async def cut_the_publisher(self) -> None:
        self._proxy_here.cut()

    async def hold_everything_back(self) -> None:
        self._proxy_there.hold()

    async def let_it_through(self) -> None:
        self._proxy_there.release()

    async def look_away(self) -> None:
        if self._watcher is not None:
            self._there.hub.forget(self._watcher)
            self._watcher = None

    async def look_again(self) -> None:
        if self._watcher is None:
            page, self._watcher = self._there.begin_to_watch(self.order.order_id)
            self.pages.append(page)
            self._there.hub.offer_to(self._watcher, await self._there.store.get(self.order.order_id))

    def _say(self, payload: bytes) -> None:
        self._redis_server.do("PUBLISH", channel_of(self.order.order_id), payload)


STEPS: Final = [step for name, step in vars(Scene).items() if not name.startswith("_")]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
async def test_whatever_happens_in_whatever_order_the_page_ends_on_the_true_state(
    redis_server: RedisServer, steps: list[Callable[[Scene], Awaitable[None]]]
) -> None:
    with TemporaryDirectory() as directory:
        async with (
            aclosing(await SqliteStore.open(Path(directory) / "daifu.db")) as store,
            Proxy(redis_server.port) as proxy_here,
            Proxy(redis_server.port) as proxy_there,
            a_process(proxy_here.url, store, MENDED_QUICKLY) as here,
            a_process(proxy_there.url, store, MENDED_QUICKLY) as there,
        ):
            scene = Scene(redis_server, here, there, (proxy_here, proxy_there))
            await store.insert(scene.order)
            for step in (Scene.look_again, *steps, Scene.look_again):
                await step(scene)
                await asyncio.sleep(0)
            await scene.pages[-1].shows(scene.order.rev)

            for page in scene.pages:
                assert page.revs == sorted(set(page.revs))


async def some_turns() -> None:
    """Give what was held a chance, not a promise, to come through before the next step."""
    for _ in range(20):
        await asyncio.sleep(0)
