"""Both languages, light and dark, phone and desktop: every main state has its words and fits its screen."""

from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.looking import AXE_LOOKS, looks, looks_right
from tests.e2e.phones import Look, Phones
from tests.running import Daifu

pytestmark = pytest.mark.browser

WORDS: Final = {
    "zh-CN": {
        "empty": "还没有代付，发起第一笔吧",
        "open": "等朋友来付款",
        "asks": "小红 请你代付",
        "pay": "立即支付",
        "paying": "小明 正在付款…",
        "leased": "小明 正在付款",
        "paid": "小明 帮你付了 · 1 / 1",
        "thanks": "谢谢你，已帮 小红 付款",
        "others": "小明 已经付了",
        "state": "已付清",
        "connection": "实时",
    },
    "en": {
        "empty": "No orders yet. Create the first one",
        "open": "Waiting for a friend",
        "asks": "小红 asks you to pay",
        "pay": "Pay now",
        "paying": "小明 is paying…",
        "leased": "小明 is paying",
        "paid": "小明 has paid for you · 1 of 1",
        "thanks": "Thank you! You paid for 小红",
        "others": "Already paid by 小明",
        "state": "Paid",
        "connection": "Live",
    },
}


@pytest.mark.parametrize("look", looks(), ids=lambda look: look.name)
async def test_every_main_state_has_its_words_and_fits_the_screen(look: Look, daifu: Daifu, phones: Phones) -> None:
    words = WORDS[look.locale]
    initiator = await phones.new(look)
    await initiator.open(daifu.url)
    await looks_right(initiator, "1-login")
    await initiator.log_in_as("小红")
    await initiator.shows("#orders-message", words["empty"])
    await looks_right(initiator, "2-home")
    await initiator.page.locator(".df-more summary").click()
    await initiator.page.locator("#note").fill("周五的下午茶，下次我请。 The next one is on me!")
    await initiator.create_order(title="两杯杨枝甘露 Two mango pomelo sago", yuan="1234.50")
    await initiator.shows("#live", words["open"])
    await initiator.shows("#connection", words["connection"])
    await looks_right(initiator, "3-order-open")

    friend = await initiator.hand_to("小明")
    await friend.shows("#asker", words["asks"])
    await friend.shows("#pay", words["pay"])
    await looks_right(friend, "4-pay-payable")
    other = await initiator.hand_to("老王")
    await friend.press_pay()
    await looks_right(friend, "5-cashier")
    await initiator.shows("#live", words["paying"])
    await looks_right(initiator, "6-order-paying")
    await other.shows("#headline", words["leased"])
    await looks_right(other, "7-pay-leased")

    await friend.pay_in_cashier()
    await friend.shows("#headline", words["thanks"])
    await looks_right(friend, "8-pay-thanks")
    await initiator.shows("#live", words["paid"])
    await initiator.shows("#order-state", words["state"])
    await looks_right(initiator, "9-order-paid")
    await other.shows("#headline", words["others"])
    await looks_right(other, "10-pay-others")


async def test_the_language_switch_holds_on_every_page(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint("status of 404")
    tab = await phones.open_as("小红", daifu.url, Look("zh-CN"))
    await tab.shows("#home-heading", "找人代付")
    await tab.page.locator("#language").click()
    await tab.shows("#home-heading", "Ask a friend to pay")
    await expect(tab.page.locator("html")).to_have_attribute("lang", "en")

    await tab.open(f"{daifu.url}/orders/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    await tab.shows(".df-message p", "There is no such order.")


async def test_an_address_without_an_order_is_a_page_that_leads_home(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint("status of 404")
    tab = await phones.open_as("小红", daifu.url, AXE_LOOKS[1])
    for path, words in (
        ("/orders/01ARZ3NDEKTSV4RRFFQ69G5FAV", "There is no such order."),
        ("/pay/nonsense", "There is no such order."),
        ("/nothing-here", "There is nothing at this address."),
    ):
        answer = await tab.page.goto(daifu.url + path)
        assert answer is not None
        assert answer.status == 404
        await tab.shows(".df-message h1", "Something is wrong")
        await tab.shows(".df-message p", words)
    await looks_right(tab, "404")
    await tab.page.locator(".df-message a").click()
    await tab.ready()
    await expect(tab.page.locator("#create")).to_be_visible()
