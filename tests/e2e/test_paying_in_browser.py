"""The story as people see it: ask, pay, and the other page changes by itself."""

import re

import pytest
from playwright.async_api import expect

from tests.e2e.phones import LIVE_MS, Phones
from tests.running import Daifu

pytestmark = pytest.mark.browser


async def test_the_initiators_page_shows_the_friends_payment_without_a_reload(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    link = await initiator.create_order(title="奶茶 Bubble tea", yuan="18.50")
    assert re.fullmatch(re.escape(daifu.url) + r"/pay/[0-9A-Z]{26}", link)
    await initiator.is_live()
    await initiator.mark()

    friend = await phones.open_as("小明", link)
    await friend.shows_scene("payable")
    await friend.shows("#asker", "小红 asks you to pay")
    await friend.shows("#my-amount", "¥18.50")
    await friend.press_pay()
    await initiator.shows("#live", "小明 is paying…")
    await friend.pay_in_cashier()

    await initiator.shows("#live", "小明 has paid for you · 1 of 1", timeout_ms=LIVE_MS)
    await initiator.shows_state("PAID")
    assert await initiator.was_not_reloaded()
    await friend.shows_scene("paid_mine")
    await friend.shows("#headline", "Thank you! You paid for 小红")
    await expect(friend.page.locator("#pay")).to_be_hidden()


async def test_one_browser_plays_both_people_in_two_tabs_also_after_reloads(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    await initiator.create_order()
    friend = await initiator.hand_to("小明")

    for tab, name in ((initiator, "小红"), (friend, "小明"), (initiator, "小红")):
        await tab.page.reload()
        await tab.ready()
        await tab.shows("#you", f"You are {name}")
    await expect(initiator.page.locator("#close")).to_be_visible()
    await expect(friend.page.locator("#own-order")).to_be_hidden()

    await friend.page.bring_to_front()
    await friend.press_pay()
    await friend.pay_in_cashier()
    await friend.shows_scene("paid_mine")
    await initiator.shows("#live", "小明 has paid for you · 1 of 1")


async def test_a_tab_becomes_another_person_and_the_other_tab_does_not(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    await initiator.create_order()
    friend = await initiator.hand_to("小明")
    await friend.page.locator("#switch-person").click()
    await friend.page.wait_for_url("**/connect/oauth2/authorize**")
    await friend.log_in_as("Alice")
    await friend.shows("#you", "You are Alice")

    await initiator.page.reload()
    await initiator.ready()
    await initiator.shows("#you", "You are 小红")


async def test_three_friends_share_and_a_fourth_waits_and_then_has_nothing_to_pay(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    await initiator.create_order(title="火锅", yuan="100", shares=3)
    progress = initiator.page.locator("#progress")
    first, second, third, fourth = [await initiator.hand_to(name) for name in ("小明", "老王", "Alice", "小刚")]
    await first.shows("#my-amount", "¥33.34")
    await first.shows("#total", "¥100.00 in total · 0 of 3")

    await first.press_pay()
    await second.shows("#headline", "小明 is paying", timeout_ms=LIVE_MS)
    await second.shows("#detail", "Shares still free: 2")
    await second.shows("#my-amount", "¥33.33")
    await second.press_pay()
    await initiator.shows("#live", "小明, 老王 are paying…")
    await third.press_pay()

    await fourth.shows_scene("leased")
    await fourth.shows("#headline", "小明, 老王, Alice are paying")
    await fourth.shows("#wait", re.compile(r"^\d+ s at most$"))
    await expect(fourth.page.locator("#pay")).to_be_disabled()

    for done, friend in enumerate((second, first, third), start=1):
        await friend.pay_in_cashier()
        await friend.shows_scene("paid_mine")
        await expect(progress).to_have_attribute("aria-valuenow", str(done))
        await initiator.shows("#progress-text", f"{done} of 3")
    await initiator.shows_state("PAID")
    await fourth.shows_scene("paid_others")
    await fourth.shows("#headline", "Already paid by 小明, 老王, Alice")
    await expect(fourth.page.locator("#pay")).to_be_hidden()


async def test_the_initiator_may_pay_his_own_order(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    link = await initiator.create_order()
    await (await initiator.open(link)).ready()
    await expect(initiator.page.locator("#own-order")).to_be_visible()
    await initiator.press_pay()
    await initiator.pay_in_cashier()
    await initiator.shows_scene("paid_mine")
    await initiator.page.locator("#see-order").click()
    await initiator.shows_state("PAID")


async def test_a_friend_who_opens_the_initiators_address_gets_the_page_to_pay(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.open_as("小红", daifu.url)
    link = await initiator.create_order()
    friend = await phones.open_as("小明", initiator.page.url)
    await friend.shows_scene("payable")
    assert friend.page.url == link
