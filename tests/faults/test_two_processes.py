"""Two processes, MongoDB and Redis: news crosses, and nothing true depends on Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, a_cluster
from tests.people import Page
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.mongo]

STALE_S = 10


@pytest.fixture
async def cluster(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Cluster]:
    async with a_cluster(tmp_path, redis_server) as running:
        yield running


async def until_paid(page: Page) -> None:
    await page.until_state("PAID")


async def test_a_notify_on_one_process_reaches_the_page_on_the_other(cluster: Cluster) -> None:
    order_id, out_trade_no = await cluster.an_attempt()
    page = await cluster.initiator.watch(order_id)
    await page.next_state()

    answer = await cluster.notify(out_trade_no, cluster.servers[1])
    frames = await page.until_state("PAID")

    assert b"SUCCESS" in answer.content
    assert frames[-1]["order"] == await cluster.initiator.read_order(order_id)


async def test_fifty_copies_over_both_processes_make_one_change(cluster: Cluster) -> None:
    order_id, out_trade_no = await cluster.an_attempt()
    before = (await cluster.initiator.read_order(order_id))["rev"]

    answers = await asyncio.gather(*(cluster.notify(out_trade_no, cluster.servers[n % 2]) for n in range(50)))

    assert all(b"SUCCESS" in answer.content for answer in answers)
    order = await cluster.initiator.read_order(order_id)
    assert (order["state"], order["rev"]) == ("PAID", before + 1)


async def test_with_redis_killed_no_notify_fails_and_every_page_is_right_within_ten_seconds(cluster: Cluster) -> None:
    attempts = [await cluster.an_attempt() for _ in range(30)]
    pages = [await cluster.initiator.watch(order_id) for order_id, _ in attempts[:20]]
    for page in pages:
        await page.next_state()

    cluster.redis.kill()
    began_s = time.monotonic()
    for _, out_trade_no in attempts[:20]:
        answer = await cluster.notify(out_trade_no, cluster.servers[1])
        assert b"SUCCESS" in answer.content
    await asyncio.gather(*(until_paid(page) for page in pages))
    assert time.monotonic() - began_s < STALE_S

    await asyncio.to_thread(cluster.redis.start)
    order_id, out_trade_no = attempts[20]
    page = await cluster.initiator.watch(order_id)
    await until_hearing(cluster)
    await cluster.notify(out_trade_no, cluster.servers[1])
    began_s = time.monotonic()
    await until_paid(page)
    assert time.monotonic() - began_s < 5  # pushed: a round of reading takes 30 s


async def test_with_mongodb_stopped_every_notify_is_failed_in_time_and_afterwards_nothing_is_lost(
    cluster: Cluster,
) -> None:
    attempts = [await cluster.an_attempt() for _ in range(6)]

    await asyncio.to_thread(cluster.mongo.stop)
    began_s = time.monotonic()
    answers = await asyncio.gather(*(cluster.notify(number, cluster.servers[1]) for _, number in attempts))
    assert time.monotonic() - began_s < 3
    assert all(b"FAIL" in answer.content and b"SUCCESS" not in answer.content for answer in answers)

    await asyncio.to_thread(cluster.mongo.start)
    async with asyncio.timeout(5):
        for server in cluster.servers:
            while b"SUCCESS" not in (await cluster.notify(attempts[0][1], server)).content:
                pass
    for order_id, out_trade_no in attempts:
        assert b"SUCCESS" in (await cluster.notify(out_trade_no, cluster.servers[0])).content
        assert (await cluster.initiator.read_order(order_id))["state"] == "PAID"


async def until_hearing(cluster: Cluster) -> None:
    """Wait until both processes say that they are ready, and so hear the bus again."""
    async with asyncio.timeout(20):
        for server in cluster.servers:
            while (await cluster.http.get(f"{server.url}/readyz")).status_code != 200:
                pass
