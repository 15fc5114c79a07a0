"""The operator at his dashboard: numbers, charts, what is stuck, and one order's story, on a real screen."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.async_api import expect

from sandbox.app import Sandbox
from server.domain.days import DAY_MS
from server.domain.events import EffectParked, Evidence, RefundRequested
from server.domain.user import User
from server.usecases.change_order import change_order
from tests.builders import a_person, after
from tests.domain.histories import paid, placed
from tests.e2e.looking import looks, looks_right
from tests.e2e.phones import Look, Phones
from tests.running import Daifu, start_daifu

pytestmark = pytest.mark.browser

PASSWORD: Final = "a password for tests"

WORDS: Final = {
    "zh-CN": {"find": "从订单到钱款", "k": "裂变系数 K", "retry": "重试", "story": "老王 付了 ¥1.00"},
    "en": {
        "find": "From order to money",
        "k": "Fission coefficient K",
        "retry": "Try again",
        "story": "老王 paid ¥1.00",
    },
}


@pytest.fixture
async def guarded(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu with a password for the dashboard and forty days of orders, the last of which is paid and half stuck."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, admin_password=PASSWORD)
    await server.services.relay.aclose()  # WeChat knows nothing of this history
    await write_history(server)
    yield server
    await server.aclose()


async def write_history(daifu: Daifu) -> None:
    now_ms = daifu.services.clock.now_ms()
    for day in range(40):
        for number in range(1 + (day * 7) % 5):
            at_ms = now_ms - day * DAY_MS - 3_600_000 * number - 7_200_000
            order = placed(f"小{number}{day % 3}", at_ms)
            if number % 3 != 1:
                evidence = Evidence.QUERY if number == 3 else Evidence.NOTIFY
                payer = a_person(f"友{number}{day}")
                order = paid(order, payer.name, at_ms=at_ms, after_ms=700 * number, evidence=evidence)
                user = User(openid=payer.openid, name=payer.name, first_seen_ms=at_ms)
                await daifu.services.store.remember_user(user)
            if number == 2:
                order = after(order, RefundRequested(), now_ms=at_ms)
            await daifu.services.store.insert(order)
    await daifu.services.stats_keeper.bring_up_to_date()


async def stuck_order(daifu: Daifu) -> str:
    """Return the id of an order paid a minute ago, one of whose effects waits for a person."""
    at_ms = daifu.services.clock.now_ms() - 60_000
    order = paid(placed("小红", at_ms), "老王", at_ms=at_ms, after_ms=1200)
    await daifu.services.store.insert(order)
    services = daifu.services
    parked = EffectParked(order.effects[0].key, "TRADE_OVERDUE")
    await change_order(order.order_id, parked, store=services.store, bus=services.bus, clock=services.clock)
    await services.stats_keeper.bring_up_to_date()
    return order.order_id


@pytest.mark.parametrize("look", looks(), ids=lambda look: look.name)
async def test_the_operator_logs_in_sees_the_numbers_move_and_helps_what_is_stuck(
    look: Look, guarded: Daifu, phones: Phones
) -> None:
    phones.expect_complaint("status of 403")
    words = WORDS[look.locale]
    tab = await phones.new(look)
    await tab.open(f"{guarded.url}/admin")
    await tab.ready()
    page = tab.page
    await page.locator("#password").fill("not the password")
    await page.locator("#password").press("Enter")
    await expect(page.locator("#form-error")).to_be_visible()
    await looks_right(tab, "admin-1-login")
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#enter").click()
    await tab.shows("#funnel-heading", words["find"])
    await expect(page.locator("#tiles")).to_contain_text(words["k"])
    await expect(page.locator(".u-over")).to_have_count(2)
    created = page.locator("#funnel li").first.locator(".df-bar-count")
    before = int(await created.inner_text())
    await looks_right(tab, "admin-2-numbers")

    order_id = await stuck_order(guarded)
    await expect(created).to_have_text(str(before + 1))  # by itself
    await page.locator("#parked .df-id").click()
    await expect(page.locator("#found")).to_contain_text(words["story"])
    await expect(page.locator("#found")).to_contain_text(order_id)
    await expect(page.locator("body")).not_to_contain_text("openid-of")
    await looks_right(tab, "admin-3-order")
    await page.locator("#parked").get_by_text(words["retry"]).click()
    await expect(page.locator("#found .df-parked button")).to_have_count(0)
    await page.locator("#found [data-verb=refund]").click()
    await page.locator("dialog button[value=yes]").click()
    await expect(page.locator("#found")).to_contain_text(f"{order_id}001R1")
    await page.locator("#language").click()
    other = WORDS["en" if look.locale == "zh-CN" else "zh-CN"]
    await tab.shows("#funnel-heading", other["find"])
    await page.locator("#log-out").click()
    await expect(page.locator("#password")).to_be_visible()


async def test_a_window_without_orders_says_so_and_a_lost_connection_too(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint("ERR_INTERNET_DISCONNECTED|status of 400")
    tab = await phones.new()
    await tab.open(f"{daifu.url}/admin")
    await tab.ready()
    page = tab.page
    await tab.shows("#window-empty", "No orders in these days")
    await expect(page.locator("#tiles")).to_contain_text("Not enough data")
    await expect(page.locator("#connection")).to_have_attribute("data-status", "live")
    await expect(page.locator("#log-out")).to_be_hidden()
    await page.locator("#from").fill("2199-01-01")
    await tab.shows("#window-error", re.compile("must not be later"))
    await page.get_by_text("7 days").click()
    await expect(page.locator("#window-error")).to_be_hidden()
    await looks_right(tab, "admin-empty")

    await page.context.set_offline(True)
    await tab.shows("#connection", re.compile("No connection"))
    await looks_right(tab, "admin-offline")
    await page.context.set_offline(False)
    await tab.shows("#connection", re.compile("Live"))
    await page.locator("#number").fill("nonsense")
    phones.expect_complaint("status of 404")
    await page.locator("#number").press("Enter")
    await tab.shows("#search-error", "There is no such order.")
