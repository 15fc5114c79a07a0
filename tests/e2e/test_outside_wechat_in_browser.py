"""A friend opens the link in some other browser: he pays by a code or in WeChat's app, or learns where he can."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from playwright.async_api import expect

from sandbox.app import Sandbox
from tests.e2e.looking import AXE_LOOKS, looks, looks_right
from tests.e2e.phones import Look, Phones
from tests.people import Person
from tests.running import Daifu, start_daifu

pytestmark = pytest.mark.browser


@pytest.fixture
async def daifu_in_wechat_alone(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, wechat_trade_types="JSAPI")
    yield server
    await server.aclose()


async def test_where_nothing_else_is_offered_the_page_shows_the_way_into_wechat(
    daifu_in_wechat_alone: Daifu, phones: Phones
) -> None:
    daifu = daifu_in_wechat_alone
    phones.expect_complaint(r"ERR_FAILED .*/_sim/bridge\.js")
    async with Person("小红", daifu.url) as initiator:
        await initiator.log_in()
        link = f"{daifu.url}/pay/{(await initiator.place_order())['order_id']}"
    friend = await phones.new()
    await friend.page.route("**/_sim/bridge.js", lambda route: route.abort())
    await (await friend.open(link)).log_in_as("小明")

    await friend.shows_scene("outside")
    await friend.shows("#headline", "Please open this in WeChat")
    await friend.shows("#detail", "Scan the code with WeChat, or send yourself the link")
    await expect(friend.page.locator("#share-link")).to_have_value(link)
    await expect(friend.page.locator("#qr")).to_be_visible()
    assert await friend.page.locator("#qr").evaluate("(image) => image.naturalWidth") > 0
    await expect(friend.page.locator("#pay")).to_be_hidden()
    await looks_right(friend, "pay-outside")


@pytest.mark.parametrize("look", looks((Look(width=1280), AXE_LOOKS[1])), ids=lambda look: look.name)
async def test_a_guest_has_the_code_scanned_and_both_pages_change_live(
    daifu: Daifu, initiator: Person, phones: Phones, wechat: Sandbox, look: Look
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    his = await phones.open_as("小红", f"{daifu.url}/orders/{order_id}")
    guest = await phones.new(look)
    await (await guest.open(f"{daifu.url}/pay/{order_id}?outside=1")).ready()
    await guest.shows_scene("payable")
    await looks_right(guest, "pay-guest")

    async with guest.page.expect_response("**/payments") as begun:
        await guest.page.locator("#show-code").click()
    code_url = (await (await begun.value).json())["params"]["code_url"]
    await expect(guest.page.locator("#code")).to_be_visible()
    assert await guest.page.locator("#code").evaluate("(image) => image.naturalWidth") > 0
    await expect(guest.page.locator("#code-left")).to_have_text(re.compile(r"1.+59"))
    await his.shows("#live", "A friend is paying…")
    await looks_right(guest, "pay-guest-code")
    await guest.page.reload()
    await expect(guest.page.locator("#code")).to_be_visible()  # the same attempt, its code still good

    phone = await phones.new()
    await phone.open(f"{wechat.url}/_sim/scan?{urlencode({'code_url': code_url})}")
    await phone.page.locator("#sim-pay").click()

    await guest.shows_scene("paid_mine")
    await his.shows_state("PAID")
    await expect(guest.page.locator("#ways")).to_be_hidden()
    await looks_right(guest, "pay-guest-paid")


@pytest.mark.parametrize("look", [Look(), Look(locale="zh-CN")], ids=lambda look: look.name)
async def test_a_guest_on_a_phone_goes_to_wechats_app_and_comes_back_to_a_question(
    daifu: Daifu, initiator: Person, phones: Phones, wechat_control: httpx.AsyncClient, look: Look
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    guest = await phones.new(replace(look, is_phone=True))
    await (await guest.open(f"{daifu.url}/pay/{order_id}?outside=1")).ready()
    await looks_right(guest, "pay-guest-phone")

    await guest.page.locator("#open-app").click()
    await guest.page.locator("#sim-cancel").click()

    await guest.ready()  # led back, and nothing is believed
    await guest.shows("#headline", re.compile("Have you paid|付款完成了吗"))
    await looks_right(guest, "pay-guest-back")
    await guest.page.locator("#open-app").click()
    await guest.page.locator("#sim-pay").click()
    await guest.shows_scene("paid_mine")
    orders = (await wechat_control.get("/_sim/ledger")).json()["orders"]
    assert [order["trade_state"] for order in orders] == ["SUCCESS"]  # both trips were one attempt
