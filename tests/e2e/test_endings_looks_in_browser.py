"""The rest of what an order can come to: parts, closing, an end in time, refunds, and a phone without a network."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.async_api import expect

from sandbox.app import Sandbox
from sandbox.app import start as start_sandbox
from tests.e2e.looking import AXE_LOOKS, looks, looks_right
from tests.e2e.phones import Look, Phones, Tab
from tests.people import Person, a_client
from tests.running import Daifu, ShiftedClock, start_daifu

pytestmark = pytest.mark.browser

REFUND_AFTER_S: Final = 600.0  # a refund is on its way for as long as the test looks

WORDS: Final = {
    "zh-CN": {
        "part": "1 / 3 份",
        "share": "¥33.33",
        "opened": "小刚",
        "closing": "正在关闭，马上就好",
        "pay-closing": "这笔代付正在关闭",
        "closed": "已关闭",
        "expired": "已过期",
        "pay-expired": "这笔代付已过期",
        "refunding": "¥18.00 正在退回（申请了退款）",
        "pay-refunding": "你的钱正在退回",
        "refunded": "款项已全部退回",
        "pay-refunded": "你的钱已退回",
        "offline": "没有网络，恢复后自动更新",
        "none": "没有这样的代付",
    },
    "en": {
        "part": "1 of 3",
        "share": "¥33.33",
        "opened": "小刚",
        "closing": "Closing, just a moment",
        "pay-closing": "This order is being closed",
        "closed": "Closed",
        "expired": "Expired",
        "pay-expired": "This order has expired",
        "refunding": "¥18.00 is on its way back (a refund was asked for)",
        "pay-refunding": "Your money is on its way back",
        "refunded": "All money has gone back",
        "pay-refunded": "Your money has gone back",
        "offline": "Offline. Updates when the network is back",
        "none": "No such orders",
    },
}


class Town:
    """daifu with a clock that can be moved, its WeChat, and two people who need no screen."""

    def __init__(
        self, daifu: Daifu, control: httpx.AsyncClient, clock: ShiftedClock, asker: Person, payer: Person
    ) -> None:
        self.daifu = daifu
        self.control = control
        self.clock = clock
        self.asker = asker
        self.payer = payer

    async def order(self, *, paid: bool = False, **fields: object) -> str:
        """Place an order for 小红, let 小明 pay one share of it; return its id."""
        order_id: str = (await self.asker.place_order(**fields))["order_id"]
        if paid:
            out_trade_no = await self.payer.start_payment(order_id)
            await self.control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        return order_id

    async def look_at(self, tab: Tab, page: str, order_id: str) -> Tab:
        await tab.open(f"{self.daifu.url}/{page}/{order_id}")
        return await tab.ready()


@pytest.fixture
async def slow_wechat() -> AsyncIterator[Sandbox]:
    sandbox = await start_sandbox(refund_after_s=REFUND_AFTER_S)
    yield sandbox
    await sandbox.aclose()


@pytest.fixture
async def town(slow_wechat: Sandbox, tmp_path: Path) -> AsyncIterator[Town]:
    clock = ShiftedClock()
    async with a_client(slow_wechat.url) as control:
        merchant = (await control.get("/_sim/merchant")).json()
        server = await start_daifu(
            data_dir=tmp_path,
            wechat_url=slow_wechat.url,
            merchant=merchant,
            parts=lambda services: replace(services, clock=clock),
        )
        async with Person("小红", server.url) as asker, Person("小明", server.url) as payer:
            await asker.log_in()
            await payer.log_in()
            yield Town(server, control, clock, asker, payer)
        await server.aclose()


@pytest.mark.parametrize("look", looks(AXE_LOOKS[:1]), ids=lambda look: look.name)
async def test_every_ending_has_its_words_and_fits_the_screen(look: Look, town: Town, phones: Phones) -> None:
    phones.expect_complaint("ERR_INTERNET_DISCONNECTED")
    words = WORDS[look.locale]
    split = await town.order(
        paid=True, title="火锅 Hot pot", note="周五老地方 See you on Friday", amount=10000, shares=3
    )
    initiator = await phones.open_as("小红", f"{town.daifu.url}/orders/{split}", look)
    friend = await initiator.hand_to("小刚")
    await friend.shows("#my-amount", words["share"])
    await looks_right(friend, "11-pay-share")
    await initiator.shows("#progress-text", words["part"])
    await expect(initiator.page.locator("#people")).to_contain_text(words["opened"])
    await looks_right(initiator, "12-order-part")
    await initiator.page.locator("#poster").click()
    await expect(initiator.page.locator("#poster-picture")).to_be_visible()
    await looks_right(initiator, "13-order-poster")
    await initiator.page.keyboard.press("Escape")

    await closes(town, initiator, friend, words)
    await runs_out_of_time(town, initiator, friend, words)
    await gives_back(town, initiator, await phones.open_as("小明", town.daifu.url, look), words)

    await (await initiator.open(town.daifu.url)).ready()
    await looks_right(initiator, "24-home-orders")
    await initiator.page.locator("#filters [data-states=PAID]").click()
    await initiator.shows("#orders-message", words["none"])
    await town.look_at(initiator, "orders", split)
    await initiator.is_live()
    await initiator.page.context.set_offline(True)
    await initiator.shows("#connection", words["offline"])
    await looks_right(initiator, "25-order-offline")

    simulator = await (await phones.new(look)).open(str(town.control.base_url))
    await simulator.page.locator("[value=lost]").click()
    await expect(simulator.page.locator("#faults ~ ul").first).to_contain_text("notify")
    await looks_right(simulator, "26-simulator")


async def closes(town: Town, initiator: Tab, friend: Tab, words: dict[str, str]) -> None:
    """WeChat refuses to close an attempt for a while, so that the order stays on its way there."""
    await town.control.post("/_sim/faults", json={"target": "closeorder", "kind": "fail_before", "times": 0})
    order_id = await town.order()
    await town.payer.start_payment(order_id)
    await town.look_at(friend, "pay", order_id)
    await town.look_at(initiator, "orders", order_id)
    await initiator.page.locator("#close").click()
    await looks_right(initiator, "14-close-question")
    await initiator.page.locator("dialog button[value=yes]").click()
    await initiator.shows("#live", words["closing"])
    await looks_right(initiator, "15-order-closing")
    await friend.shows_scene("closing")
    await friend.shows("#headline", words["pay-closing"])
    await looks_right(friend, "16-pay-closing")

    closed = await town.order()
    await town.asker.http.post(f"/api/orders/{closed}/close", json={})
    await town.look_at(initiator, "orders", closed)
    await initiator.shows("#order-state", words["closed"])
    await looks_right(initiator, "17-order-closed")
    await town.control.delete("/_sim/faults")


async def runs_out_of_time(town: Town, initiator: Tab, friend: Tab, words: dict[str, str]) -> None:
    town.clock.ahead_ms = -61_000
    order_id = await town.order(expires_in_s=60)
    town.clock.ahead_ms = 0
    await town.look_at(friend, "pay", order_id)
    await friend.shows("#headline", words["pay-expired"])
    await looks_right(friend, "18-pay-expired")
    await town.look_at(initiator, "orders", order_id)
    await initiator.shows("#order-state", words["expired"])
    await looks_right(initiator, "19-order-expired")


async def gives_back(town: Town, initiator: Tab, payer: Tab, words: dict[str, str]) -> None:
    order_id = await town.order(paid=True)
    await town.look_at(payer, "pay", order_id)
    await payer.shows_scene("paid_mine")
    await town.look_at(initiator, "orders", order_id)
    await initiator.shows_state("PAID")
    await initiator.page.locator("#people .df-refund").click()
    await looks_right(initiator, "20-refund-question")
    await initiator.page.locator("dialog button[value=yes]").click()
    await expect(initiator.page.locator("#people")).to_contain_text(words["refunding"])
    await expect(initiator.page.locator("#people .df-refund")).to_have_count(0)
    await payer.shows("#headline", words["pay-refunding"])
    await looks_right(payer, "21-pay-refunding")

    await town.control.post("/_sim/clock", json={"advance_s": REFUND_AFTER_S})
    await initiator.shows("#live", words["refunded"])
    await looks_right(initiator, "22-order-refunded")
    await payer.shows("#headline", words["pay-refunded"])
    await looks_right(payer, "23-pay-refunded")
