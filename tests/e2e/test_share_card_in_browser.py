"""The card of an order, set by both pages through the JS-SDK of the simulated WeChat."""

from dataclasses import replace

import pytest
from playwright.async_api import expect

from server.domain.day_stats import TraceKind
from tests.e2e.looking import AXE_LOOKS, looks, looks_right
from tests.e2e.phones import PATIENCE_MS, Look, Phones, Tab
from tests.running import Daifu

pytestmark = pytest.mark.browser


async def card(tab: Tab) -> dict[str, object]:
    """Return what WeChat would show, once the page has set it."""
    set_already = await tab.page.wait_for_function("window.wx?.sim.timeline && window.wx.sim", timeout=PATIENCE_MS)
    found: dict[str, object] = await set_already.json_value()
    return found


async def test_both_pages_set_the_card_of_the_order(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    link = await initiator.create_order("奶茶", "18")
    friend = await phones.open_as("小明", f"{link}?from=singlemessage")
    for tab in (initiator, friend):
        shown = await card(tab)
        picture = shown["friend"].pop("imgUrl")  # type: ignore[attr-defined]
        assert shown["errMsg"] == "config:ok"
        assert shown["friend"] == {
            "title": "小红 asks you to pay: 奶茶",
            "desc": "¥18.00 · open and pay in WeChat",
            "link": link,
        }
        assert shown["timeline"] == {"title": "小红 asks you to pay: 奶茶", "link": link, "imgUrl": picture}
        assert "menuItem:share:qq" in shown["hidden"]  # type: ignore[operator]


@pytest.mark.parametrize("look", looks(AXE_LOOKS[:1]), ids=lambda look: look.name)
async def test_in_wechat_the_page_points_at_its_menu_and_counts_that_the_order_was_sent(
    look: Look, daifu: Daifu, phones: Phones
) -> None:
    tab = await phones.new(replace(look, is_wechat=True))
    await (await tab.open(daifu.url)).log_in_as("小红")
    await tab.page.locator("#amount").fill("18")
    await tab.page.locator("#create").click()
    await tab.page.locator("#send").click()
    await expect(tab.page.locator(".df-guide p")).to_be_visible()
    await looks_right(tab, "28-order-send")
    await tab.page.locator(".df-guide-done").click()
    await expect(tab.page.locator(".df-guide")).to_have_count(0)

    await daifu.services.traces.aclose()  # what is under way is written
    order_id = tab.page.url.rsplit("/", 1)[1]
    assert await daifu.services.stats.traces(first=order_id, last=order_id) == {order_id: {TraceKind.SHARED}}
