"""A page that takes nothing any more: a phone in a tunnel, or somebody who wants our memory."""

import asyncio
import base64
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from server.bootstrap import Services
from server.bus.hub import STALL_S, Hub
from server.bus.local import LocalBus
from tests.handlers.watching import cookies_of, until_watched_by
from tests.people import PATIENCE_S, Page, Person
from tests.running import Daifu, start_daifu


class TestAReaderThatStalls:
    @pytest.fixture
    def late_s(self) -> list[float]:
        """How far the hub's own clock is ahead; a list, so that a test can move it on."""
        return [0.0]

    @pytest.fixture
    async def daifu(
        self, late_s: list[float], wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> AsyncIterator[Daifu]:
        def with_hub(services: Services) -> Services:
            hub = Hub(clock=services.clock, monotonic_s=lambda: time.monotonic() + late_s[0])
            return replace(services, hub=hub, bus=LocalBus(hub))

        server = await start_daifu(
            data_dir=tmp_path,
            wechat_url=wechat.url,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            parts=with_hub,
            send_buffer_bytes=8192,
        )
        yield server
        await server.aclose()

    async def test_is_closed_and_forgotten_and_the_others_are_served(
        self, late_s: list[float], daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order(title="茶" * 60, note="好" * 200))["order_id"]
        out_trade_no = await friend.start_payment(order_id)
        page = await initiator.watch(order_id)
        revs: asyncio.Queue[int] = asyncio.Queue()
        reading = asyncio.create_task(read_on(page, revs))
        stalled = await handshake_and_read_no_more(daifu.url, order_id, cookies_of(initiator))
        try:
            await until_watched_by(2, daifu)
            cancel = f"/api/orders/{order_id}/payments/{out_trade_no}/cancel"
            for _ in range(25):
                await friend.http.post(cancel, json={})
                await friend.press_pay(order_id)
            late_s[0] = STALL_S + 1
            daifu.services.hub.tick()

            assert len(daifu.services.hub) == 1
            await friend.http.post(cancel, json={})
            rev = (await friend.read_order(order_id))["rev"]
            while await asyncio.wait_for(revs.get(), PATIENCE_S) < rev:
                pass
        finally:
            reading.cancel()
            page.close()
            stalled.close()


async def read_on(page: Page, revs: asyncio.Queue[int]) -> None:
    """Take every state as it comes, as a good page does."""
    while True:
        revs.put_nowait((await page.next_state())["rev"])


async def handshake_and_read_no_more(url: str, order_id: str, cookie: str) -> socket.socket:
    """Open the socket by hand, with next to no room for what the server sends, and leave it unread."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    lines = [
        f"GET /ws/orders/{order_id} HTTP/1.1",
        f"Host: {host}:{port}",
        f"Origin: {url}",
        f"Cookie: {cookie}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    await loop.sock_sendall(client, "\r\n".join([*lines, "", ""]).encode())
    assert b"101 " in await loop.sock_recv(client, 16)
    return client
