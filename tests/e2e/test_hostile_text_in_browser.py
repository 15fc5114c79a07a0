"""What people write is shown as text: no markup, no script, no dialog, no report from the content policy."""

import re
from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.phones import Phones, Tab
from tests.people import Person
from tests.running import Daifu

pytestmark = pytest.mark.browser

TITLES: Final = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</script><svg onload=alert(1)>",
    "</title></head><body onload=alert(1)>",
    "\"><iframe src='javascript:alert(1)'>",
    "' autofocus onfocus='alert(1)",
    "javascript:alert(document.cookie)",
    "{{ 7 * 7 }} {% raw 1 %} {name} ${7*7} <%= 7 %>",
    "&lt;b&gt; &amp;amp; &#x3c;",
    "]]></body><return_code>SUCCESS</return_code><![CDATA[",
    "a\u2028alert(1)\u2029b",
    "%3Cscript%3E \\u003cscript\\u003e",
    "👨‍👩‍👧‍👦 e\u0301 שלום مرحبا ﷽",
)
HOSTILE_NAME: Final = "<img src=x onerror=alert(1)>"
HOSTILE_FRIEND: Final = "</script>{name}\"'&lt;b&gt;"


async def text_of(tab: Tab, selector: str) -> str | None:
    return await tab.page.locator(selector).text_content()


async def test_hostile_titles_notes_and_names_are_text_on_every_page(daifu: Daifu, phones: Phones) -> None:
    async with Person(HOSTILE_NAME, daifu.url) as writer:
        await writer.log_in()
        order_ids = [(await writer.place_order(title=title, note=title))["order_id"] for title in TITLES]
    initiator = await phones.open_as(HOSTILE_NAME, daifu.url)
    assert await initiator.page.locator("#orders .df-name").all_text_contents() == list(reversed(TITLES))
    friend = await phones.open_as(HOSTILE_FRIEND, f"{daifu.url}/pay/{order_ids[0]}")
    for order_id, title in zip(order_ids, TITLES, strict=True):
        await (await friend.open(f"{daifu.url}/pay/{order_id}")).ready()
        assert await text_of(friend, "#order-title") == title
        assert await text_of(friend, "#order-note") == title
        await friend.shows("#asker", f"{HOSTILE_NAME} asks you to pay")

    await (await initiator.open(f"{daifu.url}/orders/{order_ids[-1]}")).ready()
    await friend.press_pay()
    assert await friend.sheet.locator(".goods").text_content() == f"代付-{TITLES[-1]}"
    await friend.pay_in_cashier()
    await friend.shows("#headline", f"Thank you! You paid for {HOSTILE_NAME}")
    await initiator.shows("#live", f"{HOSTILE_FRIEND} has paid for you · 1 of 1")
    await initiator.shows("#people .df-name", HOSTILE_FRIEND)
    await initiator.picture("hostile")
    assert await initiator.page.locator("main img:not(.df-avatar img):not(#qr)").count() == 0


async def test_a_title_that_could_make_the_page_lie_is_refused_in_words(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint("status of 400")
    tab = await phones.open_as("小红", daifu.url)
    await tab.page.locator("#amount").fill("18")
    for title in ("abc\u202egnp.exe", "\u2066shop\u2069", "bell\u0007"):
        async with tab.page.expect_response("**/api/orders") as answered:
            await tab.page.locator("#title").fill(title)
            await tab.page.locator("#create").click()
        assert (await answered.value).status == 400
        await tab.shows("#form-error", "For what: contains characters that are not allowed")
        await expect(tab.page.locator("#create")).to_be_enabled()
    await tab.picture("home-refused")


async def test_what_is_no_amount_is_told_before_anything_is_sent(daifu: Daifu, phones: Phones) -> None:
    tab = await phones.open_as("小红", daifu.url)
    for amount in ("", "0", "abc", "1.234", "1,234.50", "-5", "1e3"):
        await tab.page.locator("#amount").fill(amount)
        await tab.page.locator("#create").click()
        await tab.shows("#form-error", re.compile("^Please enter an amount" + (" above 0" if amount else "$")))
        await expect(tab.page.locator("#amount")).to_be_focused()
        await tab.page.reload()
        await tab.ready()
