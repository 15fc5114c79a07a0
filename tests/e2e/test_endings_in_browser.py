"""Orders that end without money: closed by the initiator, or out of time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.async_api import expect

from sandbox.app import Sandbox
from tests.e2e.phones import Phones, Tab
from tests.people import Person, a_client
from tests.running import Daifu, ShiftedClock, start_daifu

pytestmark = pytest.mark.browser

GREEN: Final = "rgb(7, 193, 96)"


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def daifu_with_clock(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path, clock: ShiftedClock
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        parts=lambda services: replace(services, clock=clock),
    )
    yield server
    await server.aclose()


async def test_an_order_is_closed_after_a_question_and_the_friend_sees_it_at_once(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    await initiator.create_order()
    friend = await initiator.hand_to("小明")
    await friend.shows_scene("payable")

    await initiator.page.locator("#close").click()
    await initiator.picture("close-question")
    await initiator.page.locator("dialog button[value=no]").click()
    await initiator.shows_state("OPEN")
    await initiator.page.locator("#close").click()
    await initiator.page.locator("dialog button[value=yes]").click()

    await initiator.shows_state("CLOSED")
    await initiator.shows("#live", "This order is closed")
    await expect(initiator.page.locator("#share")).to_be_hidden()
    await expect(initiator.page.locator("#close")).to_be_hidden()
    await initiator.picture("order-closed")
    await friend.shows_scene("closed")
    await friend.shows("#headline", "This order is closed")
    await expect(friend.page.locator("#pay")).to_be_hidden()
    await friend.picture("pay-closed")


async def test_pages_that_stay_open_see_the_time_run_out_by_themselves(
    daifu_with_clock: Daifu, phones: Phones, clock: ShiftedClock
) -> None:
    async with Person("小红", daifu_with_clock.url) as writer:
        await writer.log_in()
        clock.ahead_ms = -50_000  # an order lives for a minute at least: this one has ten seconds left
        order_id = (await writer.place_order(expires_in_s=60))["order_id"]
        clock.ahead_ms = 0
    friend = await phones.open_as("小明", f"{daifu_with_clock.url}/pay/{order_id}")
    await friend.shows_scene("payable")

    await friend.shows_scene("expired")
    await friend.shows("#headline", "This order has expired")
    await friend.shows("#detail", "小红 can ask again with a new one")
    await expect(friend.page.locator("#pay")).to_be_hidden()
    await friend.picture("pay-expired")
    initiator = await phones.open_as("小红", f"{daifu_with_clock.url}/orders/{order_id}")
    await initiator.shows("#order-state", "Expired")
    await expect(initiator.page.locator("#share")).to_be_hidden()
    await initiator.picture("order-expired")


async def test_what_goes_back_is_no_longer_green_on_either_page(daifu: Daifu, wechat: Sandbox, phones: Phones) -> None:
    async with Person("小红", daifu.url) as asker, a_client(wechat.url) as control:
        await asker.log_in()
        order_id = (await asker.place_order(amount=1000, shares=2))["order_id"]
        for name in ("小明", "老王"):
            async with Person(name, daifu.url) as payer:
                await payer.log_in()
                out_trade_no = await payer.start_payment(order_id)
                await control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        initiator = await phones.open_as("小红", f"{daifu.url}/orders/{order_id}")
        friend = await phones.open_as("小明", f"{daifu.url}/pay/{order_id}")
        await initiator.shows("#progress-text", "2 of 2")
        assert await colours(initiator, friend) == [GREEN, GREEN]

        await initiator.page.locator("#people .df-refund").first.click()
        await initiator.page.locator("dialog button[value=yes]").click()
        await initiator.shows("#progress-text", "2 of 2 · ¥5.00 gone back")
        await friend.shows("#total", "¥10.00 in total · 2 of 2 · ¥5.00 gone back")
        in_part = await colours(initiator, friend)
        assert GREEN not in in_part

        await initiator.page.locator("#refund").click()
        await initiator.page.locator("dialog button[value=yes]").click()
        await initiator.shows("#progress-text", "2 of 2 · ¥10.00 gone back")
        await friend.shows("#total", "¥10.00 in total · 2 of 2 · ¥10.00 gone back")
        assert not {GREEN, *in_part} & set(await colours(initiator, friend))


async def colours(initiator: Tab, friend: Tab) -> list[str]:
    """Return what colour the progress has on the initiator's page and on the friend's."""
    return [
        await initiator.page.evaluate("getComputedStyle(document.querySelector('.df-ring-done')).stroke"),
        await friend.page.evaluate("getComputedStyle(document.querySelector('.df-track'), '::before').backgroundColor"),
    ]
