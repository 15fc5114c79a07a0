"""Networks that let no WebSocket through, or no event stream either: the pages stay live another way."""

import re
from typing import Final

import pytest
from playwright.async_api import Request, Route, WebSocketRoute, expect

from tests.e2e.phones import LIVE_MS, Phones, Tab
from tests.running import Daifu

pytestmark = pytest.mark.browser

SOCKETS: Final = re.compile(r"/ws/orders/")
STREAMS: Final = re.compile(r"/api/orders/[^/]+/events")
LONG_POLLS: Final = re.compile(r"/api/orders/[^/]+\?since=\d+&wait=25$")
PLAIN_GETS: Final = re.compile(r"/api/orders/[^/?]+$")


class Network:
    """What lies between a phone and the server."""

    def __init__(self) -> None:
        self.lets_sockets_through = False
        self.requests: list[str] = []

    @classmethod
    async def of(cls, tab: Tab, *, streams: bool = True) -> "Network":
        """Put this phone behind a network that lets no socket through, and event streams only if `streams`."""
        network = cls()
        context = tab.page.context
        context.on("request", network._note)
        await context.route_web_socket(SOCKETS, network._socket)
        if not streams:
            await context.route(STREAMS, network._refuse)
        return network

    def count(self, pattern: re.Pattern[str]) -> int:
        """Return how many requests for such addresses it has seen."""
        return sum(bool(pattern.search(url)) for url in self.requests)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    async def _socket(self, socket: WebSocketRoute) -> None:
        if self.lets_sockets_through:
            socket.connect_to_server()
        else:
            await socket.close()

    async def _refuse(self, route: Route) -> None:
        await route.abort()


async def log_in(tab: Tab, daifu: Daifu) -> None:
    await tab.open(daifu.url)
    await tab.log_in_as("小红")


async def shows_status(tab: Tab, status: str) -> None:
    await expect(tab.page.locator("#connection")).to_have_attribute("data-status", status)


async def test_without_sockets_the_pages_are_live_over_the_event_stream(daifu: Daifu, phones: Phones) -> None:
    initiator = await phones.new()
    network = await Network.of(initiator)
    await log_in(initiator, daifu)
    await initiator.create_order()
    await initiator.is_live()
    await initiator.mark()

    friend = await initiator.hand_to("小明")
    await friend.is_live()
    await friend.press_pay()
    await initiator.shows("#live", "小明 is paying…", timeout_ms=LIVE_MS)
    await friend.pay_in_cashier()

    await initiator.shows_state("PAID")
    await initiator.shows("#live", "小明 has paid for you · 1 of 1", timeout_ms=LIVE_MS)
    await friend.shows_scene("paid_mine")
    await shows_status(initiator, "live")
    await initiator.picture("order-over-events")
    assert await initiator.was_not_reloaded()
    assert network.count(STREAMS) > 0
    assert network.count(LONG_POLLS) == 0


async def test_without_sockets_and_streams_the_page_follows_by_long_polls(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint(r"ERR_FAILED.*/events")
    initiator = await phones.new()
    network = await Network.of(initiator, streams=False)
    await log_in(initiator, daifu)
    async with initiator.page.expect_request(LONG_POLLS):
        link = await initiator.create_order()
    await shows_status(initiator, "polling")
    await initiator.shows("#connection", "Refreshing")
    gets_before = network.count(PLAIN_GETS)

    friend = await phones.open_as("小明", link)
    await friend.press_pay()
    await initiator.shows("#live", "小明 is paying…", timeout_ms=LIVE_MS)
    await friend.pay_in_cashier()

    await initiator.shows("#live", "小明 has paid for you · 1 of 1", timeout_ms=LIVE_MS)
    await shows_status(initiator, "polling")
    assert network.count(PLAIN_GETS) == gets_before


async def test_on_a_network_that_lets_sockets_through_the_page_takes_one_again(daifu: Daifu, phones: Phones) -> None:
    phones.expect_complaint("ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED")
    initiator = await phones.new()
    network = await Network.of(initiator)
    await log_in(initiator, daifu)
    link = await initiator.create_order()
    await initiator.is_live()
    assert network.count(STREAMS) > 0

    network.lets_sockets_through = True
    async with initiator.page.expect_websocket():
        await initiator.page.context.set_offline(True)
        await initiator.page.context.set_offline(False)
    await initiator.is_live()

    friend = await phones.open_as("小明", link)
    await friend.press_pay()
    await initiator.shows("#live", "小明 is paying…", timeout_ms=LIVE_MS)
