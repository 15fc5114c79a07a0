"""The system's Chromium for the browser tests; `tests/install_browser` installs one."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox",  # Chromium's own refuses to run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The pages are small and all trusted: one renderer draws them with less work than many.
    "--renderer-process-limit=1",
    "--disable-features=SpareRendererForSitePerProcess",
)


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """Yield a headless Chromium, which ends with the test. A missing one is a failure, never a skip."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, f"the browser tests need one of {', '.join(NAMES)}; tests/install_browser installs it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()
