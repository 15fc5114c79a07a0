"""A deploy: both processes are restarted one after the other while people pay and watch."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from benchmarks.balancer import Balancer
from benchmarks.load import Load, a_load
from tests.faults.cluster import Cluster, a_cluster
from tests.faults.processes import PATIENCE_S, ServerProcess
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.mongo]

PAGES = 100
RATE = 15
EXIT_S = 10


@pytest.fixture
async def cluster(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Cluster]:
    async with a_cluster(tmp_path, redis_server) as running:
        yield running


async def test_no_notify_fails_and_every_page_ends_on_the_truth(cluster: Cluster) -> None:
    ports = [server.port for server in cluster.servers]
    async with a_load(
        cluster, notifies=PAGES, rate=RATE, pages=PAGES, ports_of=lambda n: ports[n % 2 :] + ports[: n % 2]
    ) as load:
        restarting = asyncio.create_task(restart_each(cluster))
        balancer = Balancer(ports)
        sent = await load.notify(balancer, rate=RATE, told=lambda: None)
        balancer.close()
        exits_s = await restarting
        wrong = await load.until_right()

    assert [each.failure for each in sent if each.failure] == []
    assert wrong == []
    assert all(page.state == "PAID" for page in load.pages.values())
    assert max(exits_s) < EXIT_S
    assert spread_s(load) > 2  # they did not all come back at once


async def test_a_connection_kept_alive_is_served_to_the_last_and_told_to_end(cluster: Cluster) -> None:
    server = cluster.servers[0]
    async with httpx.AsyncClient(trust_env=False, base_url=server.url) as balancer:
        assert (await balancer.get("/healthz")).headers.get("connection") != "close"
        page = await cluster.initiator.watch((await cluster.initiator.place_order())["order_id"])
        await page.next_state()

        server.terminate()
        assert await page.close_code() == 1012  # so it is going down

        answer = await balancer.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["connection"] == "close"
    assert await server.ended() == 0


async def test_a_request_that_is_half_here_is_waited_for_and_answered(cluster: Cluster) -> None:
    server = cluster.servers[0]
    _, out_trade_no = await cluster.an_attempt()
    body = cluster.notify_body(out_trade_no)
    head = f"POST /wechat/notify/pay HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head.encode() + body[:20])
    await writer.drain()
    await cluster.http.get(f"{server.url}/healthz")  # the head was there before this

    server.terminate()
    await until_refused(server)
    writer.write(body[20:])

    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    assert b"SUCCESS" in answer
    assert b"Connection: close" in answer
    assert await server.ended() == 0


async def restart_each(cluster: Cluster) -> list[float]:
    """Restart one process after the other; return how many seconds each took to end."""
    exits_s = []
    for server in cluster.servers:
        began_s = time.monotonic()
        server.terminate()
        assert await server.ended() == 0
        exits_s.append(time.monotonic() - began_s)
        await server.start()
    return exits_s


def spread_s(load: Load) -> float:
    returns = [at_s for page in load.pages.values() for at_s in page.connected_at_s[1:]]
    assert len(returns) >= 0.9 * PAGES  # whoever still waits as he was told has not come back yet
    return max(returns) - min(returns)


async def until_refused(server: ServerProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", server.port)) != 0:
                    return
            await asyncio.sleep(0.02)
