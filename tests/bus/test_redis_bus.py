"""News between processes over a real Redis, and what it makes of messages that are none."""

import asyncio

import pytest
from msgspec.structs import replace

from server.bus.news import MAX_NEWS_BYTES, channel_of, write_news
from server.bus.reader import MAX_BATCH
from server.domain.document import Entry, Order
from server.ports import Store
from tests.bus.processes import NEWS_ONLY, Process, a_paid_order, a_process, at_once, channels, subscribed, until
from tests.redis_server import RedisServer
from tests.stores.stored_orders import an_order, changed, order_id

pytestmark = pytest.mark.redis


class TestNews:
    async def test_a_change_here_is_on_the_page_there(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)

        await here.change(order, title="changed here")

        await page.shows(order.rev + 1)
        assert page.title == "changed here"
        assert page.revs == [1, 2]

    async def test_a_page_of_the_same_process_waits_for_nobody(self, here: Process, order: Order) -> None:
        page = await here.watch(order.order_id)

        await here.change(order)

        assert page.revs == [1, 2]

    async def test_news_carries_the_whole_order_so_that_nobody_has_to_read_it(
        self, redis_server: RedisServer, store: Store
    ) -> None:
        order = a_paid_order()
        await store.insert(order)
        async with (
            a_process(redis_server.url, store, NEWS_ONLY) as here,
            a_process(redis_server.url, store, NEWS_ONLY) as there,
        ):
            page = await there.watch(order.order_id)
            await until(lambda: there.bus.reader.reads == 1)

            await here.change(order, title="new")
            await page.shows(order.rev + 1)

            assert there.bus.reader.reads == 1
            assert page.states[-1]["order"]["payments"] == page.states[0]["order"]["payments"]

    async def test_an_order_too_large_for_a_message_is_read_from_the_store(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)
        large = replace(changed(order), entries=tuple(Entry("paid", at_ms, "友" * 900) for at_ms in range(100)))
        await here.store.replace(large, was_rev=order.rev)
        assert len(write_news(large)) < 100 < MAX_NEWS_BYTES

        at_once(here.bus.publish(large))

        await page.shows(large.rev)

    async def test_many_changes_in_one_turn_end_on_the_newest(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)
        states = [order]
        for _ in range(50):
            states.append(await here.commit(states[-1]))

        for state in [*states, states[7], states[3]]:  # a slow one comes last
            at_once(here.bus.publish(state))

        await page.shows(51)
        assert page.revs == sorted(set(page.revs))


class TestSubscriptions:
    async def test_a_process_is_subscribed_to_exactly_what_it_watches(
        self, redis_server: RedisServer, there: Process
    ) -> None:
        _, first = there.begin_to_watch(order_id(1))
        _, second = there.begin_to_watch(order_id(1))
        _, other = there.begin_to_watch(order_id(2))
        await subscribed(redis_server, order_id(1), order_id(2))

        there.hub.forget(first)
        there.hub.forget(other)
        await subscribed(redis_server, order_id(1))

        there.hub.forget(second)
        await subscribed(redis_server)

    async def test_subscriptions_and_the_reads_they_ask_for_travel_in_batches(
        self, redis_server: RedisServer, there: Process
    ) -> None:
        await until(lambda: there.bus.subscriber.is_subscribed)
        redis_server.do("CONFIG", "RESETSTAT")
        watchers = [there.begin_to_watch(order_id(number))[1] for number in range(3 * MAX_BATCH)]
        await until(lambda: len(channels(redis_server)) == 3 * MAX_BATCH)
        await until(lambda: there.bus.reader.reads >= 3)
        assert there.bus.reader.reads < 30
        for watcher in watchers:
            there.hub.forget(watcher)
        await subscribed(redis_server)

        calls = redis_server.do("INFO", "commandstats")
        assert calls["cmdstat_subscribe"]["calls"] == 1
        assert calls["cmdstat_unsubscribe"]["calls"] == 1

    async def test_going_down_leaves_no_task_and_no_connection(
        self, redis_server: RedisServer, store: Store, order: Order
    ) -> None:
        before = asyncio.all_tasks()
        async with a_process(redis_server.url, store) as process:
            await process.watch(order.order_id)
            await subscribed(redis_server, order.order_id)

        assert asyncio.all_tasks() == before
        await until(lambda: b"name=daifu" not in redis_server.do("CLIENT", "LIST"))

    async def test_what_was_settled_last_is_still_told_when_a_process_goes_down(
        self, redis_server: RedisServer, store: Store, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)
        async with a_process(redis_server.url, store) as process:
            await process.change(order)

        await page.shows(2)


class TestBadMessages:
    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"42",
            b"{",
            b'{"order_id":"%b"}' % order_id(1).encode(),
            b'{"order_id":"%b","rev":"9","state":{}}' % order_id(1).encode(),
            b'{"order_id":"%b","rev":9,"state":{}}' % order_id(1).encode(),
            b'{"order_id":"%b","rev":9,"state":"x"}' % order_id(1).encode(),
            b"[" * 100_000,
            write_news(an_order(2)),
            write_news(an_order(1)).replace(b'"rev":1,"state":{', b'"rev":9,"state":{'),
        ],
    )
    async def test_what_is_not_ours_is_counted_and_harmless(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order, payload: bytes
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)

        redis_server.do("PUBLISH", channel_of(order.order_id), payload)
        await until(lambda: there.bus.bad_messages == 1)

        await here.change(order)
        await page.shows(2)
        assert page.revs == [1, 2]

    async def test_doubled_and_late_messages_are_counted_and_dropped(
        self, redis_server: RedisServer, here: Process, there: Process, order: Order
    ) -> None:
        page = await there.watch(order.order_id)
        await subscribed(redis_server, order.order_id)
        after = await here.change(order)
        await page.shows(2)

        for state in (after, order, after):
            redis_server.do("PUBLISH", channel_of(order.order_id), write_news(state))

        await until(lambda: there.bus.stale_messages == 3)
        assert page.revs == [1, 2]

    async def test_a_strangers_word_on_the_canarys_channel_is_no_canary(
        self, redis_server: RedisServer, there: Process
    ) -> None:
        await until(lambda: there.bus.subscriber.is_subscribed)
        for payload in (b"", b"nan", b"inf", b"1e999", b"soon"):
            redis_server.do("PUBLISH", there.bus._canary_channel, payload)

        await until(lambda: there.bus.bad_messages == 5)
