"""The card of an order, set by both pages through the JS-SDK of the simulated WeChat."""

import pytest

from tests.e2e.phones import PATIENCE_MS, Phones, Tab
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
