"""Webhooks of a whole daifu, told to a real receiver and checked by the example's verifier."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from run import main
from sandbox.app import Sandbox
from server.domain.delivery import Delivery, DeliveryState
from server.usecases.resend_webhook import resend_webhook
from tests.handlers.merchants import MerchantServer, a_key
from tests.people import Person
from tests.running import Daifu, start_daifu
from tests.webhooks.receivers import PATIENCE_S, SECRET, Receiver, a_receiver, certified
from tests.wechat.authority import Authority

KEY, LINE = a_key("shop")

Start = Callable[..., AbstractAsyncContextManager[Daifu]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver(time.time) as receiver:
        yield receiver


@pytest.fixture
async def start(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> Start:
    merchant = (await wechat_control.get("/_sim/merchant")).json()

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Daifu]:
        daifu = await start_daifu(
            data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, merchant_api_keys=LINE, **settings
        )
        try:
            yield daifu
        finally:
            await daifu.aclose()

    return start


def told_to(receiver: Receiver) -> dict[str, Any]:
    return {"webhook_url": receiver.url, "webhook_secrets": SECRET, "webhook_allow_private": True}


async def paid(daifu: Daifu, control: httpx.AsyncClient) -> dict[str, Any]:
    """Place an order for the merchant and let 小明 pay it; return it as the merchant sees it."""
    shop = MerchantServer(daifu.url, KEY)
    async with Person("小明", daifu.url) as friend:
        await friend.log_in()
        order = await shop.placed()
        page = await friend.watch(order["order_id"])
        out_trade_no = await friend.start_payment(order["order_id"])
        await control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        await page.until_state("PAID")
        order = await shop.read(order["order_id"])
    await shop.http.aclose()
    return order


async def test_a_payment_is_told_to_the_merchant_with_the_order_as_its_api_shows_it(
    start: Start, receiver: Receiver, wechat_control: httpx.AsyncClient
) -> None:
    async with start(**told_to(receiver)) as daifu:
        order = await paid(daifu, wechat_control)
        await receiver.until(lambda: len(receiver.events) == 2)

    (first_id, first), (second_id, second) = receiver.events
    assert (first["type"], second["type"]) == ("payment.paid", "order.paid")
    assert (first_id, second_id) == (f"{order['order_id']}E00001", f"{order['order_id']}E00002")
    assert first["data"]["out_trade_no"] == order["payments"][0]["out_trade_no"]
    assert {**second["data"]["order"], "rev": 0} == {**order, "rev": 0}
    assert "openid" not in str(receiver.events)


async def test_where_nobody_is_to_be_told_a_payment_is_one_change_of_the_order(
    start: Start, wechat_control: httpx.AsyncClient
) -> None:
    async with start() as daifu:
        order = await paid(daifu, wechat_control)
        await daifu.services.relay.aclose()

        kept = await daifu.services.store.get(order["order_id"])
        assert (kept.rev, kept.merchant_events) == (3, 0)  # placed, pressed, paid
        assert await daifu.services.deliveries.latest(state=None, limit=9) == []


async def test_what_was_not_taken_before_a_restart_is_told_after_it(
    start: Start, receiver: Receiver, wechat_control: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.status = 500
    async with start(**told_to(receiver)) as daifu:
        await paid(daifu, wechat_control)
        await receiver.until(lambda: receiver.asked == 1)

    receiver.status = 204
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    async with start(**told_to(receiver)):
        said = await command("webhooks", "list")  # beside the server that runs
        assert said.count("WAITING") == 2
        delivery_id = next(word for line in said.splitlines() if "payment.paid" in line for word in line.split()[3:4])
        assert "is due now" in await command("webhooks", "resend", delivery_id)
        await receiver.until(lambda: len(receiver.events) == 2)
        assert [event["type"] for _, event in receiver.events] == ["payment.paid", "order.paid"]

        await command("webhooks", "resend", delivery_id)
        await receiver.until(lambda: len(receiver.events) == 3)
        assert receiver.events[2] == receiver.events[0]
        assert "no delivery" in await command("webhooks", "resend", "nothing")
        assert "0 deliveries" in await command("webhooks", "resend-parked", receiver.name)


async def test_an_endpoint_nobody_vouches_for_is_told_once_its_authority_is_named(
    start: Start, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with a_receiver(time.time, ssl_options=certified(authority)) as receiver:
        async with start(**told_to(receiver)) as daifu:
            await paid(daifu, wechat_control)
            refused = await tried(daifu)
        assert (refused[0].state, refused[0].reason) == (DeliveryState.WAITING, "untrusted_certificate")
        assert receiver.asked == 0

        async with start(**told_to(receiver), webhook_ca_file=str(authority.ca_file)) as daifu:
            services = daifu.services
            await resend_webhook(refused[0].delivery_id, deliveries=services.deliveries, clock=services.clock)
            await receiver.until(lambda: len(receiver.events) == 2)


async def tried(daifu: Daifu) -> list[Delivery]:
    """Return the deliveries that were tried, once there are any."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENCE_S):
        while not found:
            await asyncio.sleep(0.02)  # nothing tells of a try that reached nobody but asking
            found = [each for each in await daifu.services.deliveries.latest(state=None, limit=9) if each.tries]
    return found


async def command(*arguments: str) -> str:
    """Run a command of `run.py`, with a loop of its own; return what it said."""
    ran = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return ran.output if ran.exit_code == 0 else str(ran.exception) + ran.output
