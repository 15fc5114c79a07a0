"""Redis killed, cut, overrun and out of reach: pages are a little late, and right."""

import pytest

from server.bus.news import channel_of
from server.bus.redis import BusTimes
from server.bus.subscriber import SILENCE_S
from server.domain.document import Order
from server.ports import Store
from tests.bus.processes import NEWS_ONLY, Process, a_process, at_once, subscribed, until
from tests.proxy import Proxy
from tests.redis_server import RedisServer
from tests.stores.stored_orders import changed

pytestmark = pytest.mark.redis


class TestRedisGone:
    async def test_killed_and_started_again_pages_are_right_meanwhile_and_quick_afterwards(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)
        redis_server.kill()

        order = await here.change(order, title="while it is gone")
        await page.shows(order.rev)
        assert page.title == "while it is gone"

        redis_server.start()
        await subscribed(redis_server, order.order_id)
        unwritten = changed(order, title="no store knows this, so it came as news")
        await here.bus._pipe.opened.wait()
        at_once(here.bus.publish(unwritten))
        await page.shows(unwritten.rev)

    async def test_killed_twenty_times_while_orders_change_no_page_ends_wrong(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        for round_ in range(20):
            redis_server.kill()
            order = await here.change(order)
            if round_ % 2:
                redis_server.start()
            order = await here.change(order)
            redis_server.start()
        await page.shows(order.rev)

        assert page.revs == sorted(set(page.revs))

    async def test_down_at_the_start_it_is_found_when_it_comes(
        self, redis_server: RedisServer, store: Store, order: Order
    ) -> None:
        redis_server.kill()
        async with a_process(redis_server.url, store) as here, a_process(redis_server.url, store) as there:
            page = await there.watch(order.order_id)
            order = await here.change(order)
            await page.shows(order.rev)
            await until(lambda: there.bus.is_deaf)

            redis_server.start()
            await until(lambda: not there.bus.is_deaf)
            order = await here.change(order)
            await page.shows(order.rev)

    async def test_subscribers_killed_by_the_server_read_what_they_missed(
        self, redis_server: RedisServer, store: Store, order: Order
    ) -> None:
        async with (
            a_process(redis_server.url, store, NEWS_ONLY) as here,
            a_process(redis_server.url, store, NEWS_ONLY) as there,
        ):
            page = await there.watch(order.order_id)
            await subscribed(redis_server, order.order_id)

            redis_server.do("CLIENT", "KILL", "TYPE", "pubsub")
            order = await here.change(order)
            await page.shows(order.rev)
            await subscribed(redis_server, order.order_id)
            order = await here.change(order)
            await page.shows(order.rev)

    async def test_a_subscriber_overrun_by_its_output_buffer_comes_back_and_reads(
        self, redis_server: RedisServer, store: Store, order: Order
    ) -> None:
        redis_server.do("CONFIG", "SET", "client-output-buffer-limit", "pubsub 16kb 16kb 0")
        async with a_process(redis_server.url, store, NEWS_ONLY) as there:
            page = await there.watch(order.order_id)
            await subscribed(redis_server, order.order_id)
            connections = there.bus.subscriber.connections
            await there.commit(order)

            redis_server.do("PUBLISH", channel_of(order.order_id), b"x" * 5_000_000)

            await page.shows(2)
            assert there.bus.subscriber.connections > connections

    async def test_flushing_everything_changes_nothing(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)

        redis_server.do("FLUSHALL")
        await here.change(order)

        await page.shows(2)


class TestADeafProcess:
    async def test_says_so_and_serves_its_watchers_from_the_store_until_it_hears_again(
        self, redis_server: RedisServer, store: Store, here: Process, order: Order
    ) -> None:
        async with Proxy(redis_server.port) as proxy, a_process(proxy.url, store) as there:
            page = await there.watch(order.order_id)
            await subscribed(redis_server, order.order_id)
            assert not there.bus.is_deaf

            proxy.hold()
            await until(lambda: there.bus.is_deaf)
            order = await here.change(order)
            await page.shows(order.rev, within_s=SILENCE_S / 2)  # not by way of a new connection

            proxy.release()
            await until(lambda: not there.bus.is_deaf)
            order = await here.change(order)
            await page.shows(order.rev)
            assert not here.bus.is_deaf

    @pytest.mark.parametrize("is_noticed", [False, True], ids=["on its way", "known to be cut off"])
    async def test_that_settles_meanwhile_tells_the_others_when_it_is_back(
        self, redis_server: RedisServer, store: Store, order: Order, is_noticed: bool
    ) -> None:
        async with (
            Proxy(redis_server.port) as proxy,
            a_process(proxy.url, store, NEWS_ONLY) as here,
            a_process(redis_server.url, store, NEWS_ONLY) as there,
        ):
            page = await there.watch(order.order_id)
            await subscribed(redis_server, order.order_id)
            proxy.hold()
            if is_noticed:
                await until(lambda: not here.bus._pipe.opened.is_set())
            order = await here.change(order)
            await until(lambda: not here.bus._pipe.opened.is_set())

            proxy.cut()
            proxy.release()

            await page.shows(order.rev)

    async def test_hears_late_news_as_late_and_stays_in_doubt(
        self, redis_server: RedisServer, store: Store, order: Order
    ) -> None:
        async with Proxy(redis_server.port) as proxy, a_process(proxy.url, store) as there:
            await until(lambda: there.bus.subscriber.is_subscribed)
            proxy.delay_s = 0.7  # there and back again is longer than QUICK.deaf_s

            await until(lambda: there.bus.is_deaf)

    async def test_whatever_was_lost_in_silence_is_found_by_the_round(
        self, redis_server: RedisServer, store: Store, order: Order
    ) -> None:
        async with a_process(redis_server.url, store, BusTimes(round_s=0.5)) as there:
            page = await there.watch(order.order_id)
            await subscribed(redis_server, order.order_id)

            await there.commit(order)  # and the process that did it died before it could say so

            await page.shows(2)
