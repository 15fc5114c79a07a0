"""What people do in the cashier: change their mind, fail, press twice, reload, pay what somebody else has paid."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from sandbox.app import Sandbox
from tests.e2e.phones import Phones, Tab
from tests.running import Daifu, start_daifu

pytestmark = pytest.mark.browser


@pytest.fixture
async def initiator(daifu: Daifu, phones: Phones) -> Tab:
    """小红 on the page of her new order."""
    tab = await phones.open_as("小红", daifu.url)
    await tab.create_order()
    return tab


@pytest.fixture
async def friend(initiator: Tab) -> Tab:
    """小明 on the page to pay."""
    return await initiator.hand_to("小明")


@pytest.fixture
async def daifu_without_leases(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, pay_lease_s=0)
    yield server
    await server.aclose()


async def attempts(wechat_control: httpx.AsyncClient) -> list[str]:
    """Return the trade_state of every attempt in WeChat's own ledger."""
    return [order["trade_state"] for order in (await wechat_control.get("/_sim/ledger")).json()["orders"]]


async def test_who_cancels_and_then_fails_may_try_again_and_pays_once(
    friend: Tab, initiator: Tab, wechat_control: httpx.AsyncClient
) -> None:
    for button, words in (
        ("#sim-cancel", "Not paid. Come back any time"),
        ("#sim-fail", "The payment did not go through, please try again"),
    ):
        await friend.press_pay()
        await initiator.shows("#live", "小明 is paying…")
        await friend.sheet.locator(button).click()
        await friend.shows("#toast", words)
        await friend.shows_scene("payable")
        await initiator.shows("#live", "Waiting for a friend")

    await friend.press_pay()
    await friend.pay_in_cashier()
    await friend.shows_scene("paid_mine")
    await initiator.shows_state("PAID")
    assert await attempts(wechat_control) == ["SUCCESS"]


async def test_a_reload_and_the_back_button_in_the_cashier_lose_nothing(
    friend: Tab, wechat_control: httpx.AsyncClient
) -> None:
    await friend.press_pay()
    await friend.page.reload()
    await friend.shows_scene("mine_open")
    await friend.shows("#pay", "Continue to pay")

    await friend.press_pay()
    await friend.page.go_back()
    await friend.page.go_forward()
    await friend.shows_scene("mine_open")

    await friend.press_pay()
    await friend.pay_in_cashier()
    await friend.shows_scene("paid_mine")
    assert await attempts(wechat_control) == ["SUCCESS"]


async def test_a_double_click_on_pay_makes_one_attempt(friend: Tab, wechat_control: httpx.AsyncClient) -> None:
    asked: list[str] = []
    friend.page.on("request", lambda request: asked.append(request.url))
    await friend.page.locator("#pay").dblclick()
    await expect(friend.sheet.locator("#sim-pay")).to_be_visible()
    await friend.shows_scene("cashier")
    await friend.pay_in_cashier()
    await friend.shows_scene("paid_mine")
    assert await attempts(wechat_control) == ["SUCCESS"]
    assert [url for url in asked if url.endswith("/payments")] == [
        friend.page.url.replace("/pay/", "/api/orders/") + "/payments"
    ]


async def test_of_two_friends_who_pay_one_share_the_second_is_told_that_his_money_goes_back(
    daifu_without_leases: Daifu, phones: Phones, wechat_control: httpx.AsyncClient
) -> None:
    initiator = await phones.open_as("小红", daifu_without_leases.url)
    await initiator.create_order()
    first, second = await initiator.hand_to("小明"), await initiator.hand_to("老王")
    await first.press_pay()
    await second.press_pay()

    await first.pay_in_cashier()
    await first.shows_scene("paid_mine")
    await second.pay_in_cashier()

    await second.shows_scene("refunding")
    await second.shows("#detail", "¥18.00 is on its way back (somebody was faster)")
    await first.shows_scene("paid_mine")
    await initiator.shows("#live", "小明 has paid for you · 1 of 1")
    await expect(initiator.page.locator("#people li")).to_have_count(2)
    first_state, second_state = await attempts(wechat_control)
    assert first_state == "SUCCESS"
    assert second_state in ("SUCCESS", "REFUND")  # his money goes back by itself, a moment later
