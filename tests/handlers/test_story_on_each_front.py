"""The main job behind either front, on either event loop: the story, every way of watching it, and going down."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from server.bus.hub import CLOSE_RESTARTING
from tests.handlers.fronts import FRONTS
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, start_daifu

pytestmark = pytest.mark.either_loop


@pytest.fixture(params=FRONTS)
async def daifu(
    request: pytest.FixtureRequest, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, http_front=request.param)
    yield server
    await server.aclose()


async def test_a_payment_is_seen_on_every_way_of_watching_and_every_page_is_sent_away(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    out_trade_no = await friend.start_payment(order_id)
    page = await initiator.watch(order_id)
    order = f"/api/orders/{order_id}"
    async with friend.http.stream("GET", f"{order}/events") as events, asyncio.timeout(PATIENCE_S):
        lines = events.aiter_lines()
        polling = asyncio.create_task(initiator.http.get(f"{order}?since=2&wait=10"))

        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})

        paid = (await page.until_state("PAID"))[-1]
        while '"PAID"' not in (line := await anext(lines)):
            pass
        assert json.loads(line.removeprefix("data: "))["rev"] == paid["rev"]
        assert (await polling).json()["order"] == paid["order"] == await initiator.read_order(order_id)

        going = asyncio.create_task(daifu.aclose())
        while not (line := await anext(lines)).startswith('data: {"code"'):
            pass
        assert json.loads(line.removeprefix("data: "))["code"] == CLOSE_RESTARTING
    await going


async def test_a_body_too_large_is_refused_in_our_own_words_and_the_next_request_served(
    daifu: Daifu, initiator: Person
) -> None:
    large = {"title": "x" * 100_000, "amount": 1}
    for content in (json.dumps(large).encode(), json.dumps(large).encode() * 20):
        answer = await initiator.http.post("/api/orders", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert (await initiator.place_order())["state"] == "OPEN"
