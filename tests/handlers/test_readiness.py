"""What /readyz answers when news between processes stops."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from tests.people import Person
from tests.redis_server import RedisServer
from tests.running import Daifu, start_daifu

pytestmark = pytest.mark.redis

PATIENCE_S = 20


@pytest.fixture
async def daifu(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path, redis_server: RedisServer
) -> AsyncIterator[Daifu]:
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        redis_url=redis_server.url,
    )
    yield server
    await server.aclose()


async def test_a_process_that_hears_nothing_is_not_ready_and_its_payments_go_on(
    daifu: Daifu, redis_server: RedisServer, initiator: Person, friend: Person
) -> None:
    assert (await initiator.http.get("/readyz")).status_code == 200

    redis_server.kill()
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await initiator.http.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "bus_deaf"
    order_id = (await initiator.place_order())["order_id"]
    page = await initiator.watch(order_id)
    await page.next_state()
    await friend.start_payment(order_id)
    assert (await page.next_state())["rev"] == 2
    page.close()
