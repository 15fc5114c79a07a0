"""Notifies get lost, servers die: the pages end on the true state by themselves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from sandbox.app import Sandbox
from tests.e2e.phones import Phones, Tab
from tests.faults.processes import ServerProcess, a_free_port, merchant_environment
from tests.people import Person
from tests.running import Daifu

pytestmark = pytest.mark.browser


@pytest.fixture
async def server(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """daifu as a process of its own; its WeChat outlives it."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    port = a_free_port()
    environment = merchant_environment(f"http://127.0.0.1:{port}", wechat.url, merchant)
    process = ServerProcess(port=port, data_dir=tmp_path, environment=environment)
    await process.start()
    yield process
    await process.aclose()


async def test_with_every_notify_lost_both_pages_still_end_on_paid(
    daifu: Daifu, phones: Phones, wechat_control: httpx.AsyncClient
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    initiator = await phones.open_as("小红", daifu.url)
    await initiator.create_order()
    friend = await initiator.hand_to("小明")
    await friend.press_pay()
    await friend.pay_in_cashier()

    await friend.shows_scene("paid_mine")
    await initiator.shows_state("PAID")
    await initiator.shows("#live", "小明 has paid for you · 1 of 1")


async def test_money_paid_while_the_server_is_dead_reaches_both_pages_after_its_return(
    server: ServerProcess, phones: Phones, wechat_control: httpx.AsyncClient
) -> None:
    phones.expect_complaint("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection to")
    initiator = await phones.open_as("小红", server.url)
    friend = await phones.open_as("小明", await initiator.create_order())
    await friend.press_pay()
    await initiator.shows("#live", "小明 is paying…")
    for tab in (initiator, friend):
        await tab.is_live()
        await tab.mark()

    server.kill()
    await server.ended()
    await shows_no_connection(initiator)
    await friend.pay_in_cashier()  # WeChat is alive, and takes the money
    await shows_no_connection(friend)
    await friend.shows_scene("confirming")
    await first_notify_failed(wechat_control)

    await server.start()
    await wechat_control.post("/_sim/clock", json={"advance_s": 15})  # WeChat's first retry
    await friend.shows_scene("paid_mine", timeout_ms=40_000)
    await expect(initiator.page.locator("#order-state")).to_have_attribute("data-state", "PAID", timeout=40_000)
    await initiator.shows("#live", "小明 has paid for you · 1 of 1")
    for tab in (initiator, friend):
        assert await tab.was_not_reloaded()


async def test_a_phone_offline_for_a_minute_and_a_frozen_tab_both_end_on_paid_by_themselves(
    daifu: Daifu, phones: Phones, wechat_control: httpx.AsyncClient
) -> None:
    phones.expect_complaint("ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|WebSocket connection to")
    initiator = await phones.new()
    await initiator.page.clock.install()
    await (await initiator.open(daifu.url)).log_in_as("小红")
    link = await initiator.create_order()
    looker = await phones.open_as("老王", link)
    for tab in (initiator, looker):
        await tab.is_live()
        await tab.mark()
    devtools = await looker.page.context.new_cdp_session(looker.page)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    await initiator.page.context.set_offline(True)
    await shows_no_connection(initiator)

    async with Person("小明", daifu.url) as friend:
        await friend.log_in()
        out_trade_no = await friend.start_payment(link.rsplit("/", 1)[1])
        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    await initiator.page.clock.run_for(60_000)  # every try to come back runs into the missing network
    await shows_no_connection(initiator)
    await initiator.shows("#live", "Waiting for a friend")
    await initiator.page.context.set_offline(False)
    await devtools.send("Page.setWebLifecycleState", {"state": "active"})

    await initiator.shows("#live", "小明 has paid for you · 1 of 1")
    await looker.shows("#headline", "Already paid by 小明")
    for tab in (initiator, looker):
        await tab.is_live()
        assert await tab.was_not_reloaded()


async def shows_no_connection(tab: Tab) -> None:
    await expect(tab.page.locator("#connection")).to_have_attribute("data-status", "offline")
    await tab.shows("#connection", "Offline. Updates when the network is back")


async def first_notify_failed(wechat_control: httpx.AsyncClient) -> None:
    """Wait until WeChat has noted that nobody took its notify, and so has a retry in store."""
    async with asyncio.timeout(10):
        while not (await wechat_control.get("/_sim/calls")).json()["notifies"]:
            pass
