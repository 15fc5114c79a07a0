"""kill -9 while the merchant's server places one order fifty times over: it is there once, and asking again says so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from tests.faults.processes import PATIENCE_S, ServerProcess, a_free_port, merchant_environment
from tests.handlers.merchants import MerchantServer, a_key
from tests.stores.wire_server import database_url

pytestmark = pytest.mark.process

KEY, LINE = a_key("shop")


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.mongo)])
async def server(
    request: pytest.FixtureRequest, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[ServerProcess]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    port = a_free_port()
    environment = {
        **merchant_environment(f"http://127.0.0.1:{port}", wechat.url, merchant),
        "MERCHANT_API_KEYS": LINE,
        "MONGODB_URL": database_url(tmp_path) if request.param == "mongo" else "",
    }
    process = ServerProcess(port=port, data_dir=tmp_path, environment=environment)
    await process.start()
    yield process
    await process.aclose()


async def test_killed_at_the_first_answer_fifty_creates_under_one_key_are_one_order(server: ServerProcess) -> None:
    shop = MerchantServer(server.url, KEY)

    is_killed = False

    async def create() -> httpx.Response | None:
        nonlocal is_killed
        try:
            answer = await shop.create(key="k-1")
        except httpx.TransportError:
            return None  # killed under its hands
        if not is_killed and answer.is_success:
            is_killed = True
            server.kill()
        return answer

    async def create_at_last() -> httpx.Response:
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await shop.create(key="k-1")).status_code == httpx.codes.SERVICE_UNAVAILABLE:
                pass  # the store was asked for too much at once: nobody knows, ask again
            return answer

    heard = [answer for answer in await asyncio.gather(*(create() for _ in range(50))) if answer is not None]
    before = [answer for answer in heard if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE]
    await server.ended()
    await server.start()
    again = await asyncio.gather(*(create_at_last() for _ in range(50)))

    assert before
    assert {answer.status_code for answer in [*before, *again]} == {201}
    assert len({answer.content for answer in [*before, *again]}) == 1
    page = (await shop.http.get("/merchant/v1/orders")).json()
    assert len(page["orders"]) == 1
    await shop.http.aclose()
