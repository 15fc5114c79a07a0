"""The example client at a real daifu."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from examples.merchant_client import DaifuError, DaifuUnavailableError, MerchantClient
from sandbox.app import Sandbox
from tests.faults.processes import a_free_port
from tests.handlers.merchants import a_key
from tests.people import Person
from tests.running import Daifu, start_daifu

KEY, LINE = a_key("shop")


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, merchant_api_keys=LINE)
    yield server
    await server.aclose()


async def test_the_client_places_finds_closes_and_refunds(
    daifu: Daifu, friend: Person, wechat_control: httpx.AsyncClient
) -> None:
    client = MerchantClient(daifu.url, KEY)

    order = await asyncio.to_thread(client.create_order, "A-1", title="奶茶", amount=1800)
    assert await asyncio.to_thread(client.create_order, "A-1", title="奶茶", amount=1800) == order
    assert await asyncio.to_thread(client.find_order, "A-1") == order
    page = await friend.watch(order["order_id"])
    out_trade_no = await friend.start_payment(order["order_id"])
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    await page.until_state("PAID")

    for _ in range(2):
        refunded = await asyncio.to_thread(client.refund_order, order["order_id"], amount=300, key="R-1")
    other = await asyncio.to_thread(client.create_order, "A-2", title="奶茶", amount=100)
    closed = await asyncio.to_thread(client.close_order, other["order_id"])

    assert [refund["amount"] for refund in refunded["payments"][0]["refunds"]] == [300]
    assert closed["state"] == "CLOSED"
    listed = await asyncio.to_thread(lambda: list(client.list_orders(limit=1)))
    assert [each["merchant_order_no"] for each in listed] == ["A-2", "A-1"]
    with pytest.raises(DaifuError) as refused:
        await asyncio.to_thread(client.create_order, "A-1", title="奶茶", amount=1)
    assert (refused.value.status, refused.value.code) == (409, "merchant_order_no_taken")


def test_no_answer_is_tried_again_and_then_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("examples.merchant_client.time.sleep", pauses.append)

    with pytest.raises(DaifuUnavailableError):
        MerchantClient(f"http://127.0.0.1:{a_free_port()}", KEY).get_order("0" * 26)

    assert len(pauses) == 3
