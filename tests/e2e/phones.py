"""
People with phones, screen and all: a real Chromium, driven by clicks and typing.

Each phone is a browser context of its own; in the simulated WeChat it can also be handed round, a tab for each person.
Whatever a page complains of (console errors, uncaught errors, violations of the content policy, dialogs) is kept in
`Phones.complaints`, and a test that leaves one there fails.
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    FrameLocator,
    Page,
    expect,
)

from tests.chromium import a_browser

PATIENCE_MS: Final = 15_000
# A push takes a few milliseconds; a page that only polls would need three seconds at the very least.
LIVE_MS: Final = 3_000

PHONE_AGENT: Final = (
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
)
WECHAT_AGENT: Final = PHONE_AGENT + " MicroMessenger/8.0.60.2860 WeChat/arm64"

_TELL_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""

expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Look:
    """How a phone is set up; `width` in CSS pixels."""

    locale: str = "en"
    width: int = 375
    dark: bool = False
    is_phone: bool = False  # what the browser says of itself; `width` is what it is
    is_wechat: bool = False  # likewise
    has_touch: bool = False

    @property
    def name(self) -> str:
        return f"{self.locale}-{self.width}-{'dark' if self.dark else 'light'}"

    @property
    def user_agent(self) -> str | None:
        return WECHAT_AGENT if self.is_wechat else PHONE_AGENT if self.is_phone else None

    @property
    def height(self) -> int:
        return 812 if self.width < 900 else 900


class Tab:
    """One tab of one person's browser."""

    def __init__(self, page: Page, look: Look) -> None:
        self.page = page
        self.look = look

    @property
    def sheet(self) -> FrameLocator:
        """The simulated cashier over the page."""
        return self.page.frame_locator("#sim-cashier")

    async def open(self, url: str) -> Self:
        await self.page.goto(url)
        return self

    async def log_in_as(self, name: str) -> Self:
        """Choose who to be on the simulated WeChat's login page: by a click, or by typing a name that is not there."""
        persona = self.page.locator(".people a").get_by_text(name, exact=True)
        if await persona.count():
            await persona.click()
        else:
            await self.page.locator("#persona").fill(name)
            await self.page.locator("#persona").press("Enter")
        allow = self.page.locator("#allow")
        await expect(allow.or_(self.page.locator("html[data-ready='1']"))).to_be_visible()
        if await allow.count():  # the first time only
            await allow.click()
        return await self.ready()

    async def ready(self) -> Self:
        """Wait until the page shows its first true state."""
        await expect(self.page.locator("html")).to_have_attribute("data-ready", "1")
        return self

    async def create_order(self, title: str = "奶茶", yuan: str = "18", shares: int = 1) -> str:
        """Fill the form of the home page and send it; return the link to pay, as the copy button gives it."""
        await self.page.locator("#amount").fill(yuan)
        await self.page.locator("#title").fill(title)
        for _ in range(shares - 1):
            await self.page.locator("#more").click()
        await self.page.locator("#create").click()
        await expect(self.page.locator("#order-state")).to_have_attribute("data-state", "OPEN")
        return await self.copy_link()

    async def hand_to(self, friend: str) -> "Tab":
        """Open the order as this friend, in a further tab of the same phone; return that tab."""
        await self.page.bring_to_front()
        async with self.page.context.expect_page() as opened:
            await self.page.locator("#open-as-friend").click()
        return await Tab(await opened.value, self.look).log_in_as(friend)

    async def copy_link(self) -> str:
        """Press the copy button; return what it put on the clipboard."""
        await self.page.bring_to_front()
        await self.page.locator("#copy-link").click()
        await expect(self.page.locator("#toast")).to_be_visible()
        link: str = await self.page.evaluate("navigator.clipboard.readText()")
        return link

    async def press_pay(self) -> None:
        """Press pay and wait for the cashier."""
        await self.page.locator("#pay").click()
        await expect(self.sheet.locator("#sim-pay")).to_be_visible()

    async def pay_in_cashier(self) -> None:
        await self.sheet.locator("#sim-pay").click()

    async def shows_scene(self, scene: str, *, timeout_ms: int = PATIENCE_MS) -> None:
        """Wait until the friend's page shows this scene."""
        await expect(self.page.locator("#pay-state")).to_have_attribute("data-scene", scene, timeout=timeout_ms)

    async def shows_state(self, state: str) -> None:
        """Wait until the initiator's page shows this state."""
        await expect(self.page.locator("#order-state")).to_have_attribute("data-state", state)

    async def shows(self, selector: str, text: str | re.Pattern[str], *, timeout_ms: int = PATIENCE_MS) -> None:
        await expect(self.page.locator(selector)).to_have_text(text, timeout=timeout_ms)

    async def is_live(self) -> None:
        """Wait until the watch socket has brought the state."""
        await expect(self.page.locator("#connection")).to_have_attribute("data-status", "live")

    async def mark(self) -> None:
        """Leave a mark that a reload would wipe out."""
        await self.page.evaluate("window.mark = true")

    async def was_not_reloaded(self) -> bool:
        return bool(await self.page.evaluate("window.mark === true"))

    async def picture(self, name: str) -> None:
        """Save what the screen shows, if DAIFU_SCREENSHOTS names a folder."""
        folder = os.environ.get("DAIFU_SCREENSHOTS")
        if folder:
            path = Path(folder) / f"{name}-{self.look.name}.png"
            await self.page.screenshot(path=path, full_page=True, animations="disabled")


class Phones:
    """Hands out phones and hears what their pages complain of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._expected: list[re.Pattern[str]] = []
        self._heard: list[str] = []

    @property
    def complaints(self) -> list[str]:
        """What was heard and not expected."""
        return [text for text in self._heard if not any(pattern.search(text) for pattern in self._expected)]

    def expect_complaint(self, pattern: str) -> None:
        """A browser writes every failed request to its console: this one is meant to fail."""
        self._expected.append(re.compile(pattern))

    async def new(self, look: Look = Look()) -> Tab:
        """Return a blank tab on a phone that knows nobody yet."""
        context = await self._browser.new_context(
            locale=look.locale,
            viewport={"width": look.width, "height": look.height},
            color_scheme="dark" if look.dark else "light",
            user_agent=look.user_agent,
            has_touch=look.has_touch,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(_TELL_VIOLATIONS)
        self._listen(context)
        return Tab(await context.new_page(), look)

    async def open_as(self, name: str, url: str, look: Look = Look()) -> Tab:
        """Open this address on a new phone and log in as this person on the way."""
        tab = await self.new(look)
        await tab.open(url)
        return await tab.log_in_as(name)

    def _listen(self, context: BrowserContext) -> None:
        context.on("console", self._hear)
        context.on("weberror", lambda error: self._heard.append(str(error.error)))
        context.on("dialog", self._refuse)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self._heard.append(f"{said.text} {said.location['url']}")

    async def _refuse(self, dialog: Dialog) -> None:
        self._heard.append(f"dialog: {dialog.message}")
        await dialog.dismiss()


@asynccontextmanager
async def some_phones() -> AsyncIterator[Phones]:
    """Yield phones of one Chromium, which ends with the test."""
    async with a_browser() as browser:
        yield Phones(browser)
