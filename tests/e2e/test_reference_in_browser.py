"""The API's description on a screen."""

import pytest
from playwright.async_api import expect

from tests.e2e.phones import Look, Phones
from tests.running import Daifu

pytestmark = pytest.mark.browser


async def test_a_developer_reads_an_operation_without_any_other_host(daifu: Daifu, phones: Phones) -> None:
    tab = await phones.new(Look(width=1280))
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))

    await tab.open(f"{daifu.url}/docs")
    await tab.page.get_by_text("Place an order", exact=True).click()

    await expect(tab.page.get_by_text("idempotency_mismatch").first).to_be_visible()
    await tab.picture("reference")
    assert [url for url in asked if not url.startswith((f"{daifu.url}/", "data:"))] == []
