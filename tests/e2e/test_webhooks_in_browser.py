"""The operator helps an endpoint that missed its events, on a real screen."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from msgspec import json
from msgspec.structs import replace
from playwright.async_api import expect

from sandbox.app import Sandbox
from server.domain.delivery import Delivery, DeliveryState
from tests.domain.histories import paid, placed
from tests.e2e.looking import looks, looks_right
from tests.e2e.phones import Look, Phones
from tests.running import Daifu, start_daifu
from tests.stores.stored_orders import a_delivery
from tests.webhooks.receivers import SECRET, Receiver, a_receiver

pytestmark = pytest.mark.browser

DAY_MS: Final = 86_400_000

WORDS: Final = {
    "zh-CN": {"clear": "已全部送达", "parked": "有未送达的", "missed": "已放弃", "taken": "已送达", "none": "没有设置"},
    "en": {"clear": "Up to date", "parked": "Missed some", "missed": "Missed", "taken": "Taken", "none": "is not set"},
}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver(time.time) as receiver:
        yield receiver


@pytest.fixture
async def telling(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, receiver: Receiver, tmp_path: Path
) -> AsyncIterator[Daifu]:
    """daifu with one endpoint, and nothing told yet."""
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        webhook_url=receiver.url,
        webhook_secrets=SECRET,
        webhook_allow_private=True,
    )
    await server.services.relay.aclose()  # WeChat knows nothing of this history
    yield server
    await server.aclose()


async def missed_events(daifu: Daifu, receiver: Receiver) -> str:
    """Return the id of an order whose three events the receiver refused for a day."""
    at_ms = daifu.services.clock.now_ms() - DAY_MS
    order = paid(placed("小红", at_ms), "老王", at_ms=at_ms, after_ms=1200)
    await daifu.services.store.insert(order)
    await daifu.services.deliveries.add([_missed(order.order_id, receiver.name, n, at_ms + n) for n in (1, 2, 3)])
    return order.order_id


def _missed(order_id: str, endpoint: str, number: int, at_ms: int) -> Delivery:
    event_id = f"{order_id}E{number:05d}"
    return replace(
        a_delivery(number, endpoint=endpoint, due_at_ms=at_ms),
        delivery_id=f"{event_id}@{endpoint}",
        event_id=event_id,
        order_id=order_id,
        body=json.encode({"type": "order.paid", "data": {"order": {"order_id": order_id}}}).decode(),
        state=DeliveryState.PARKED,
        due_at_ms=None,
        tries=14,
        reason="http_503",
    )


@pytest.mark.parametrize("look", looks(), ids=lambda look: look.name)
async def test_the_operator_sends_again_what_an_endpoint_missed(
    look: Look, telling: Daifu, receiver: Receiver, phones: Phones
) -> None:
    words = WORDS[look.locale]
    tab = await phones.new(look)
    await tab.open(f"{telling.url}/admin")
    await tab.ready()
    page = tab.page
    await tab.shows("#webhooks", re.compile(words["clear"]))

    order_id = await missed_events(telling, receiver)
    await tab.shows("#webhooks", re.compile(words["parked"]))  # by itself
    await expect(page.locator("#webhooks [data-delivery]")).to_have_count(3)
    await page.locator("#webhooks [data-delivery] .df-id").first.click()
    told = page.locator("#told-lines [data-delivery]")
    await expect(told).to_have_count(3)
    await expect(told.first).to_contain_text(words["missed"])
    await expect(told.first).to_contain_text("http_503")
    await looks_right(tab, "admin-webhooks-1-missed")

    await told.last.locator("button").click()
    await expect(told.last).to_contain_text(words["taken"])
    await page.locator("#webhooks .df-actions button").click()
    await looks_right(tab, "admin-webhooks-2-question")
    await page.locator("dialog button[value=yes]").click()
    await tab.shows("#webhooks", re.compile(words["clear"]))
    await expect(told.first).to_contain_text(words["taken"])
    assert receiver.told == [(order_id, "order.paid")] * 3
    await page.locator("#webhooks").scroll_into_view_if_needed()
    await looks_right(tab, "admin-webhooks-3-taken")


async def test_where_nobody_is_told_the_page_says_so_and_an_error_too(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint("ERR_INTERNET_DISCONNECTED")
    tab = await phones.new()
    await tab.open(f"{daifu.url}/admin")
    await tab.ready()
    await tab.shows("#webhooks", re.compile(WORDS["en"]["none"]))

    await tab.page.context.set_offline(True)
    await expect(tab.page.locator("#webhooks-error")).to_be_visible()
    await tab.page.context.set_offline(False)
    await expect(tab.page.locator("#webhooks-error")).to_be_hidden()
