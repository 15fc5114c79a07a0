"""An order that is completed while somebody watches is celebrated: once, and not for those who want less motion."""

import httpx
import pytest
from playwright.async_api import expect

from tests.e2e.phones import Phones, Tab
from tests.people import Person
from tests.running import Daifu

pytestmark = pytest.mark.browser

COUNT_CELEBRATIONS = """
window.celebrations = 0;
new MutationObserver((changes) => {
  const added = changes.flatMap((change) => [...change.addedNodes]);
  window.celebrations += added.filter((node) => node.className === "df-confetti").length;
}).observe(document, {childList: true, subtree: true});
"""


async def celebrations(tab: Tab) -> int:
    """Return how often there was confetti since the page was loaded."""
    count: int = await tab.page.evaluate("window.celebrations")
    return count


async def test_the_last_share_is_celebrated_once_and_not_again_on_reload(
    daifu: Daifu, phones: Phones, wechat_control: httpx.AsyncClient
) -> None:
    moved, calm = await phones.new(), await phones.new()
    await calm.page.emulate_media(reduced_motion="reduce")
    async with Person("小红", daifu.url) as asker, Person("小明", daifu.url) as payer:
        await asker.log_in()
        await payer.log_in()
        order_id = (await asker.place_order(amount=200, shares=2))["order_id"]
        for tab in (moved, calm):
            await tab.page.add_init_script(COUNT_CELEBRATIONS)
            await tab.open(f"{daifu.url}/orders/{order_id}")
            await tab.log_in_as("小红")
            await tab.is_live()

        await pay(payer, order_id, wechat_control)
        await moved.shows("#progress-text", "1 of 2")
        assert await celebrations(moved) == 0
        await moved.page.bring_to_front()  # a page that nobody sees stands still
        await pay(payer, order_id, wechat_control)

    for tab in (moved, calm):
        await tab.shows_state("PAID")
    await expect(moved.page.locator(".df-confetti")).to_have_count(0)  # it has fallen out of sight
    assert await celebrations(moved) == 1
    assert await celebrations(calm) == 0

    await moved.page.reload()
    await moved.shows_state("PAID")
    await moved.is_live()
    assert await celebrations(moved) == 0


async def pay(payer: Person, order_id: str, wechat_control: httpx.AsyncClient) -> None:
    out_trade_no = await payer.start_payment(order_id)
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
