"""
How much a first visit to each page loads, how soon it paints, and how soon a payment is seen.

    python -m benchmarks.page_weights

starts a simulated WeChat and daifu, and visits each page in a browser that has nothing in its cache: as fast as this
machine is, and over a phone's network (150 ms away, 1.6 Mbit/s). The paint is measured with an API that never answers:
it must not wait for it. A payment is seen when the initiator's open page says so; the time begins when the friend
presses pay in the cashier, and so includes the notify.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click
import httpx
from playwright.async_api import Browser, BrowserContext, Page, Route, StorageState, ViewportSize

from sandbox.app import start as start_sandbox
from tests.chromium import a_browser
from tests.people import Person, a_client
from tests.running import Daifu, start_daifu

ASKER: Final = "小红"
PHONE: Final = ViewportSize(width=375, height=812)
# What Lighthouse calls a slow 4G: a phone's network on an ordinary day.
SLOW: Final = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
LIMIT_BYTES: Final = 100_000
NO_API: Final = "**/api/**"
FIRST_PAINT: Final = """() => new Promise((resolve) => {
  const seen = (list) => list.getEntries().forEach((e) => e.name === "first-contentful-paint" && resolve(e.startTime));
  new PerformanceObserver(seen).observe({type: "paint", buffered: true});
})"""
SAY_WHEN_PAID: Final = """() => {
  const state = document.getElementById("order-state");
  window.paidAt = new Promise((resolve) => {
    const look = () => state.dataset.state === "PAID" && requestAnimationFrame(() => resolve(Date.now()));
    new MutationObserver(look).observe(state, {attributes: true});
  });
}"""


class Site:
    """daifu with its WeChat, and a browser whose person is logged in."""

    def __init__(self, daifu: Daifu, control: httpx.AsyncClient, browser: Browser, asker: Person) -> None:
        self.daifu = daifu
        self.control = control
        self.asker = asker
        self._browser = browser
        self._cookies: StorageState | None = None

    @asynccontextmanager
    async def phone(self) -> AsyncIterator[BrowserContext]:
        """Yield a phone that knows who its owner is, and nothing else."""
        if self._cookies is None:
            context = await self._browser.new_context()
            page = await context.new_page()
            await page.goto(self.daifu.url)
            await page.locator(".people a").get_by_text(ASKER, exact=True).click()
            await page.wait_for_url(f"{self.daifu.url}/**")
            self._cookies = await context.storage_state()
            await context.close()
        context = await self._browser.new_context(storage_state=self._cookies, viewport=PHONE)
        yield context
        await context.close()


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sandbox = await start_sandbox()
        stack.push_async_callback(sandbox.aclose)
        control = await stack.enter_async_context(a_client(sandbox.url))
        merchant = (await control.get("/_sim/merchant")).json()
        daifu = await start_daifu(
            data_dir=folder, wechat_url=sandbox.url, merchant=merchant, rate_orders_per_min=0, rate_payments_per_min=0
        )
        stack.push_async_callback(daifu.aclose)
        browser = await stack.enter_async_context(a_browser())
        asker = await stack.enter_async_context(Person(ASKER, daifu.url))
        await asker.log_in()
        yield Site(daifu, control, browser, asker)


async def weigh(site: Site, path: str) -> int:
    """Return the bytes of daifu's own answers, headers included, that a first visit brings over the wire."""
    async with site.phone() as phone:
        page = await phone.new_page()
        devtools = await phone.new_cdp_session(page)
        ours: set[str] = set()
        weights: list[int] = []

        def answered(event: dict[str, Any]) -> None:
            if event["response"]["url"].startswith(site.daifu.url):
                ours.add(event["requestId"])

        def loaded(event: dict[str, Any]) -> None:
            if event["requestId"] in ours:
                weights.append(int(event["encodedDataLength"]))

        devtools.on("Network.responseReceived", answered)
        devtools.on("Network.loadingFinished", loaded)
        await devtools.send("Network.enable")
        await page.goto(site.daifu.url + path)
        await page.locator("html[data-ready='1']").wait_for(state="attached")
        return sum(weights)


async def first_paint_ms(site: Site, path: str, *, slow: bool) -> float:
    """Return when the page first shows something, counted from the click, while no call of its API is answered."""
    async with site.phone() as phone:
        page = await phone.new_page()
        if slow:
            devtools = await phone.new_cdp_session(page)
            await devtools.send("Network.enable")
            await devtools.send("Network.emulateNetworkConditions", SLOW)
        painted = asyncio.Event()

        async def hold(route: Route) -> None:
            await painted.wait()
            await route.abort()

        await page.route(NO_API, hold)
        await page.goto(site.daifu.url + path)
        at_ms: float = await page.evaluate(FIRST_PAINT)
        painted.set()
        await page.unroute_all(behavior="wait")
        return at_ms


async def paid_shown_ms(site: Site, page: Page, friend: Person) -> float:
    """Return how long after the friend's payment the initiator's page shows it."""
    order_id = (await site.asker.place_order())["order_id"]
    out_trade_no = await friend.start_payment(order_id)
    await page.goto(f"{site.daifu.url}/orders/{order_id}")
    await page.locator("#connection[data-status=live]").wait_for()
    await page.evaluate(SAY_WHEN_PAID)
    began_ms = time.time() * 1000
    await site.control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    shown_ms: float = await page.evaluate("window.paidAt")
    return shown_ms - began_ms


async def measure(visits: int) -> bool:
    """Print everything; return whether every page is within the limit."""
    async with a_site() as site:
        order_id = (await site.asker.place_order())["order_id"]
        fits = True
        click.echo("| page | first visit | first paint | … over a phone's network |\n|---|---|---|---|")
        for path in ("/", f"/orders/{order_id}", f"/pay/{order_id}", "/admin"):
            weight = await weigh(site, path)
            paints = [
                statistics.median([await first_paint_ms(site, path, slow=slow) for _ in range(visits)])
                for slow in (False, True)
            ]
            fits &= weight < LIMIT_BYTES
            name = path.replace(order_id, "<id>")
            click.echo(f"| `{name}` | {weight / 1000:.1f} kB | {paints[0]:.0f} ms | {paints[1]:.0f} ms |")
        async with site.phone() as phone, Person("小明", site.daifu.url) as friend:
            await friend.log_in()
            page = await phone.new_page()
            times = sorted([await paid_shown_ms(site, page, friend) for _ in range(2 * visits)])
        click.echo(
            f"\npaid shown after {statistics.median(times):.0f} ms, at worst {times[-1]:.0f} ms ({len(times)} payments)"
        )
        return fits


@click.command()
@click.option("--visits", default=5, show_default=True, help="To each page, of which the median counts.")
def main(visits: int) -> None:
    """Print weights and times of the pages; exit 1 if one loads 100 kB or more."""
    raise SystemExit(0 if asyncio.run(measure(visits)) else 1)


if __name__ == "__main__":
    main()
