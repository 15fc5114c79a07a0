"""Two hundred hostile texts, as titles in a list and in every place a live page has for words."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import WebSocketRoute, expect

from sandbox.app import Sandbox
from tests.e2e.hostile_texts import HOSTILE_TEXTS
from tests.e2e.phones import Phones, Tab
from tests.people import Person
from tests.running import Daifu, start_daifu

pytestmark = pytest.mark.browser

ORDERS_A_PAGE: Final = 20
KEEP_TITLES: Final = """() => {
  window.titles = [];
  const title = document.getElementById("order-title");
  new MutationObserver(() => window.titles.push(title.textContent)).observe(title, {childList: true});
}"""
STRANGERS: Final = "main :is(img:not(#qr, #code, .df-avatar img), script, iframe, style, base, template)"


@pytest.fixture
async def patient(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu that lets one person place two hundred orders a minute."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, rate_orders_per_min=len(HOSTILE_TEXTS)
    )
    yield server
    await server.aclose()


async def test_two_hundred_titles_are_text_in_the_list_of_orders(patient: Daifu, phones: Phones) -> None:
    async with Person("小红", patient.url) as writer:
        await writer.log_in()
        stored = [(await writer.place_order(title=title))["title"] for title in HOSTILE_TEXTS]
    tab = await phones.open_as("小红", patient.url)
    names = tab.page.locator("#orders .df-name")
    for shown in range(ORDERS_A_PAGE, len(stored) + 1, ORDERS_A_PAGE):
        await expect(names).to_have_count(shown)
        if shown < len(stored):
            await tab.page.locator("#orders-more").click()

    assert await names.all_text_contents() == list(reversed(stored))
    assert [title.strip() for title in HOSTILE_TEXTS] == stored
    await expect(tab.page.locator(STRANGERS)).to_have_count(0)


async def test_two_hundred_texts_in_every_place_of_a_frame_are_text_on_both_live_pages(
    daifu: Daifu, phones: Phones
) -> None:
    async with Person("小红", daifu.url) as writer, Person("小明", daifu.url) as friend:
        await writer.log_in()
        await friend.log_in()
        order_id = (await writer.place_order(shares=3))["order_id"]
        await friend.start_payment(order_id)
    for name, page in (("小红", "orders"), ("老王", "pay")):
        tab = await phones.new()
        line = await Line.of(tab)
        await tab.open(f"{daifu.url}/{page}/{order_id}")
        await tab.log_in_as(name)
        await tab.is_live()
        await tab.page.evaluate(KEEP_TITLES)

        for number, text in enumerate(HOSTILE_TEXTS, start=1):
            line.say(text, ahead=number)
        await tab.shows("#order-title", HOSTILE_TEXTS[-1])

        assert await tab.page.evaluate("window.titles") == list(HOSTILE_TEXTS)
        await expect(tab.page.locator(STRANGERS)).to_have_count(0)


class Line:
    """The wire between a page and the server, on which somebody changes the words of the frames."""

    def __init__(self) -> None:
        self._page: WebSocketRoute
        self._frame: dict[str, Any] = {}

    @classmethod
    async def of(cls, tab: Tab) -> "Line":
        line = cls()
        await tab.page.route_web_socket("**/ws/orders/*", line._between)
        return line

    def say(self, text: str, *, ahead: int) -> None:
        """Send the newest frame again, `ahead` revs newer, with this text wherever there is one."""
        order = self._frame["order"]
        person = {"name": text, "avatar": ""}
        payments = [{**payment, "payer": person} for payment in order["payments"]]
        events = [{**event, "name": text} for event in order["events"]]
        changed = {"title": text, "note": text, "initiator": person, "payments": payments, "events": events}
        rev = self._frame["rev"] + ahead
        self._page.send(json.dumps({**self._frame, "rev": rev, "order": {**order, **changed, "rev": rev}}))

    async def _between(self, page: WebSocketRoute) -> None:
        self._page = page
        server = page.connect_to_server()
        server.on_message(self._pass_on)

    def _pass_on(self, message: str | bytes) -> None:
        frame = json.loads(message)
        if frame["type"] == "order":
            self._frame = frame
        self._page.send(message)
