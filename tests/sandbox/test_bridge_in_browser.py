"""WeixinJSBridge in a real browser, on a page of another origin whose policy allows no inline style or script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page
from tornado.web import Application, RequestHandler

from tests.chromium import a_browser
from tests.sandbox.rig import DEADLINE_S, Rig, served

pytestmark = pytest.mark.browser

PAGE = """<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8"><title>shop</title>
<script src="{home}/_sim/bridge.js"></script></head><body><button id="buy">buy</button></body></html>"""
POLICY = "default-src 'none'; script-src {home}; frame-src {home}; base-uri 'none'"

# What a merchant's page does: wait for the bridge, invoke it, keep what it says.
INVOKE = """([name, params]) => {
  window.told = new Promise((resolve) => {
    const go = () => WeixinJSBridge.invoke(name, params, resolve);
    if (window.WeixinJSBridge) go(); else document.addEventListener("WeixinJSBridgeReady", go);
  });
}"""
PAY = "getBrandWCPayRequest"


class _PageHandler(RequestHandler):
    def initialize(self, home: str) -> None:
        self.home = home

    def get(self) -> None:
        self.set_header("Content-Security-Policy", POLICY.format(home=self.home))
        self.finish(PAGE.format(home=self.home))


@asynccontextmanager
async def a_merchant_page(home: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """Yield the page, and what the browser complains of while it is open."""
    app = Application([(r"/", _PageHandler, {"home": home})], log_function=lambda handler: None)
    complaints: list[str] = []
    async with served(app) as port, a_browser() as browser:
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"http://127.0.0.1:{port}/")
        yield page, complaints


async def told(page: Page) -> Any:
    """Return what the bridge told the page, as soon as it has."""
    async with asyncio.timeout(DEADLINE_S):
        return await page.evaluate("window.told")


async def test_the_sheet_pays_cancels_fails_and_refuses(rig: Rig) -> None:
    call = rig.pay_call(await rig.ordered())
    home = str(rig.http.base_url).rstrip("/")
    async with a_merchant_page(home) as (page, complaints):
        sheet = page.frame_locator("#sim-cashier")
        for button, outcome in (("#sim-cancel", "cancel"), ("#sim-fail", "fail"), ("#sim-pay", "ok")):
            await page.evaluate(INVOKE, [PAY, call])
            await sheet.locator(button).click()
            assert await told(page) == {"err_msg": f"get_brand_wcpay_request:{outcome}"}
            assert await page.locator("#sim-cashier").count() == 0

        await page.evaluate(INVOKE, [PAY, call])
        await sheet.locator("#sim-dismiss").click()
        assert await told(page) == {"err_msg": "get_brand_wcpay_request:fail", "err_desc": "该订单已支付"}

    assert complaints == []
    assert (await rig.query())["trade_state"] == "SUCCESS"


async def test_a_number_for_timestamp_is_refused_and_escape_closes_the_sheet(rig: Rig) -> None:
    prepay_id = await rig.ordered()
    home = str(rig.http.base_url).rstrip("/")
    async with a_merchant_page(home) as (page, _):
        await page.evaluate(INVOKE, [PAY, rig.pay_call(prepay_id, timeStamp=1795249454)])
        await page.frame_locator("#sim-cashier").locator("#sim-dismiss").press("Enter")
        assert (await told(page))["err_desc"] == "调用支付JSAPI缺少参数：timeStamp"

        await page.evaluate(INVOKE, [PAY, rig.pay_call(prepay_id)])
        await page.frame_locator("#sim-cashier").locator("#sim-pay").press("Escape")
        assert await told(page) == {"err_msg": "get_brand_wcpay_request:cancel"}


async def test_a_message_that_is_not_the_sheets_is_not_believed(rig: Rig) -> None:
    home = str(rig.http.base_url).rstrip("/")
    async with a_merchant_page(home) as (page, _):
        await page.evaluate(INVOKE, [PAY, rig.pay_call(await rig.ordered())])
        sheet = page.frame_locator("#sim-cashier")
        await sheet.locator("#sim-pay").wait_for()
        forged = {"type": "sim-cashier", "result": {"err_msg": "get_brand_wcpay_request:ok"}}
        await page.evaluate("(forged) => postMessage(forged, location.origin)", forged)
        await sheet.locator("#sim-cancel").click()

        assert await told(page) == {"err_msg": "get_brand_wcpay_request:cancel"}


async def test_other_calls_are_answered_ok(rig: Rig) -> None:
    async with a_merchant_page(str(rig.http.base_url).rstrip("/")) as (page, _):
        await page.evaluate(INVOKE, ["hideOptionMenu", {}])

        assert await told(page) == {"err_msg": "hideOptionMenu:ok"}
