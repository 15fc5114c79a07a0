"""An order in two taps: the drawn keypad, with fingers, with a keyboard, and not in the way of a mouse."""

from dataclasses import replace
from typing import Final

import pytest
from playwright.async_api import expect

from tests.e2e.looking import AXE_LOOKS, looks, looks_right
from tests.e2e.phones import Look, Phones, Tab
from tests.running import Daifu

pytestmark = pytest.mark.browser

TOUCH: Final = Look(has_touch=True)
KEYPAD: Final = {"zh-CN": "金额键盘", "en": "Amount keypad"}
CREATE: Final = {"zh-CN": "发起代付", "en": "Ask a friend to pay"}
DEFAULT: Final = {"zh-CN": "默认（24 小时）", "en": "24 hours by default"}


async def tap(tab: Tab, *names: str) -> None:
    """Tap these keys, each by the name a screen reader says."""
    keypad = tab.page.get_by_role("group", name=KEYPAD[tab.look.locale])
    for name in names:
        await keypad.get_by_role("button", name=name, exact=True).tap()


@pytest.mark.parametrize("look", looks(AXE_LOOKS), ids=lambda look: look.name)
async def test_an_order_takes_two_taps_beside_its_amount(look: Look, daifu: Daifu, phones: Phones) -> None:
    tab = await phones.open_as("小红", daifu.url, replace(look, has_touch=True))
    await expect(tab.page.locator("#expires option").first).to_have_text(DEFAULT[look.locale])
    await tab.page.locator("#amount").tap()
    await tap(tab, *"12", {"zh-CN": "小数点", "en": "Decimal point"}[look.locale], *"50")
    await expect(tab.page.locator("#amount")).to_have_value("12.50")
    await looks_right(tab, "27-home-keypad")

    await tap(tab, CREATE[look.locale])

    await tab.shows("#order-amount", "¥12.50")


async def test_what_is_wrong_is_said_above_the_keypad(daifu: Daifu, phones: Phones) -> None:
    tab = await phones.open_as("小红", daifu.url, replace(TOUCH, locale="zh-CN"))
    amount, wrong = tab.page.locator("#amount"), tab.page.locator("#form-error")
    await amount.tap()
    await tap(tab, CREATE["zh-CN"])
    await expect(wrong).to_have_text("请先输入金额")
    await tap(tab, *"0000", "小数点", *"02")
    await expect(amount).to_have_value("0.02")
    await expect(wrong).to_be_hidden()
    await tab.page.locator("#more").click(click_count=2)
    await amount.tap()
    await tap(tab, CREATE["zh-CN"])
    await expect(wrong).to_have_text("3 人分摊，至少要 ¥0.03")
    await expect(amount).to_have_attribute("aria-invalid", "true")
    keypad_top = await tab.page.evaluate("document.getElementById('keypad').getBoundingClientRect().top")
    box = await wrong.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= keypad_top

    await tap(tab, "删除", "删除", "删除", "删除", *"100001")
    await tap(tab, CREATE["zh-CN"])
    await expect(wrong).to_have_text("一笔最多 ¥100000.00")


async def test_keys_and_a_keyboard_write_into_the_same_field(daifu: Daifu, phones: Phones) -> None:
    tab = await phones.open_as("小红", daifu.url, TOUCH)
    amount, keypad, keyboard = tab.page.locator("#amount"), tab.page.locator("#keypad"), tab.page.keyboard
    await expect(amount).to_have_attribute("inputmode", "none")  # the phone's own keyboard stays away
    await amount.tap()
    await keyboard.type("18")
    await tap(tab, "Decimal point", "5")
    await keyboard.press("Backspace")
    await keyboard.type("7")
    await expect(amount).to_have_value("18.7")

    await keyboard.press("Tab")
    await expect(tab.page.get_by_role("button", name="Hide the keypad")).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(amount).to_have_value("18.71")
    await keyboard.press("Escape")
    await expect(keypad).to_be_hidden()
    await expect(amount).to_be_focused()
    await amount.tap()
    await expect(keypad).to_be_visible()
    await tab.page.locator("#title").tap()
    await expect(keypad).to_be_hidden()
    await tab.page.locator("#title").fill("Tea")
    await keyboard.press("Enter")
    await tab.shows("#order-amount", "¥18.71")


async def test_a_mouse_gets_no_keypad(daifu: Daifu, phones: Phones) -> None:
    tab = await phones.open_as("小红", daifu.url)
    await tab.page.locator("#amount").click()

    await expect(tab.page.locator("#amount")).to_be_focused()
    await expect(tab.page.locator("#keypad")).to_be_hidden()
