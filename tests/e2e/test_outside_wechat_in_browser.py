"""A friend opens the link in some other browser: nothing can be paid there, and the page says where it can."""

import pytest
from playwright.async_api import expect

from tests.e2e.phones import Phones
from tests.people import Person
from tests.running import Daifu

pytestmark = pytest.mark.browser


async def test_without_wechats_bridge_the_page_shows_the_way_into_wechat(
    daifu: Daifu, initiator: Person, phones: Phones
) -> None:
    phones.expect_complaint(r"ERR_FAILED .*/_sim/bridge\.js")
    link = f"{daifu.url}/pay/{(await initiator.place_order())['order_id']}"
    friend = await phones.new()
    await friend.page.route("**/_sim/bridge.js", lambda route: route.abort())
    await (await friend.open(link)).log_in_as("小明")

    await friend.shows_scene("outside")
    await friend.shows("#headline", "Please open this in WeChat")
    await friend.shows("#detail", "Scan the code with WeChat, or send yourself the link")
    await expect(friend.page.locator("#share-link")).to_have_value(link)
    await expect(friend.page.locator("#qr")).to_be_visible()
    assert await friend.page.locator("#qr").evaluate("(image) => image.naturalWidth") > 0
    await expect(friend.page.locator("#pay")).to_be_hidden()
    await friend.picture("pay-outside")
