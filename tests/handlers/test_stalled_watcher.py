"""A page that takes nothing any more: a phone in a tunnel, or somebody who wants our memory."""

import asyncio
import gc
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace as replace_order

from sandbox.app import Sandbox
from server.bus.hub import CLOSE_TOO_SLOW, STALL_S
from server.domain.document import Order
from tests.handlers.fronts import FRONTS
from tests.handlers.watching import cookies_of, handshake, until_watched_by, with_a_late_hub
from tests.people import PATIENCE_S, Page, Person
from tests.running import Daifu, start_daifu

FRAME_BYTES = 60_000
OFFERS_A_ROUND = 50
AT_ONCE_S = 2
GOODBYE = b"too slow"


class TestAReaderThatStalls:
    @pytest.fixture
    def late_s(self) -> list[float]:
        return [0.0]

    @pytest.fixture(params=FRONTS)
    async def daifu(
        self,
        request: pytest.FixtureRequest,
        late_s: list[float],
        wechat: Sandbox,
        wechat_control: httpx.AsyncClient,
        tmp_path: Path,
    ) -> AsyncIterator[Daifu]:
        server = await start_daifu(
            data_dir=tmp_path,
            wechat_url=wechat.url,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            parts=with_a_late_hub(late_s),
            send_buffer_bytes=8192,
            http_front=request.param,
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
        stalled = await handshake_and_read_no_more(daifu, initiator, order_id)
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

    @pytest.mark.parametrize("daifu", ["fast"], indirect=True)
    async def test_costs_no_memory_and_no_time_however_much_is_offered_and_hears_why_it_was_closed(
        self, late_s: list[float], daifu: Daifu, initiator: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        stalled = await handshake_and_read_no_more(daifu, initiator, order_id)
        page = await initiator.watch(order_id)
        revs: asyncio.Queue[int] = asyncio.Queue()
        reading = asyncio.create_task(read_on(page, revs))
        try:
            await until_watched_by(2, daifu)
            order = replace_order(await daifu.services.store.get(order_id), note="好" * (FRAME_BYTES // 3))
            order = await offer_bytes(order, 20_000_000, daifu, revs)  # whatever grows once has grown now
            before_bytes = resident_bytes()
            order = await offer_bytes(order, 300_000_000, daifu, revs)
            assert resident_bytes() - before_bytes <= 2_000_000

            late_s[0] = STALL_S + 1
            daifu.services.hub.tick()

            assert len(daifu.services.hub) == 1
            assert await close_code_after_all(stalled) == CLOSE_TOO_SLOW
            await offer_bytes(order, FRAME_BYTES, daifu, revs)
        finally:
            reading.cancel()
            page.close()
            stalled.close()

    async def test_an_event_stream_is_cut_without_a_word(
        self, late_s: list[float], daifu: Daifu, initiator: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        head = [f"GET /api/orders/{order_id}/events HTTP/1.1", f"Cookie: {cookies_of(initiator)}"]
        with await ask_and_read_no_more(daifu.url, head) as stalled:
            await until_watched_by(1, daifu)
            order = replace_order(await daifu.services.store.get(order_id), note="好" * (FRAME_BYTES // 3))
            for rev in range(order.rev + 1, order.rev + 20):
                daifu.services.hub.offer(replace_order(order, rev=rev))
            late_s[0] = STALL_S + 1
            daifu.services.hub.tick()

            assert len(daifu.services.hub) == 0
            loop = asyncio.get_running_loop()
            with suppress(ConnectionResetError):
                async with asyncio.timeout(PATIENCE_S):
                    while await loop.sock_recv(stalled, 65536):
                        pass


async def offer_bytes(order: Order, size_bytes: int, daifu: Daifu, revs: asyncio.Queue[int]) -> Order:
    """Offer so many bytes of ever newer states; the page that reads has each round's last one at once."""
    rounds = max(1, size_bytes // (FRAME_BYTES * OFFERS_A_ROUND))
    for _ in range(rounds):
        for _ in range(OFFERS_A_ROUND):
            order = replace_order(order, rev=order.rev + 1)
            daifu.services.hub.offer(order)
        async with asyncio.timeout(AT_ONCE_S):
            while await revs.get() < order.rev:
                pass
    return order


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def close_code_after_all(client: socket.socket) -> int:
    """Read everything that was still on its way to this socket; return the code the server closed it with."""
    loop = asyncio.get_running_loop()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    read = bytearray()
    async with asyncio.timeout(PATIENCE_S):
        while not read.endswith(GOODBYE):
            data = await loop.sock_recv(client, 65536)
            assert data, "closed without a word"
            read += data
    code = len(read) - len(GOODBYE) - 2
    return int.from_bytes(read[code : code + 2])


async def read_on(page: Page, revs: asyncio.Queue[int]) -> None:
    """Take every state as it comes, as a good page does."""
    while True:
        revs.put_nowait((await page.next_state())["rev"])


async def handshake_and_read_no_more(daifu: Daifu, person: Person, order_id: str) -> socket.socket:
    head = handshake(daifu, person, order_id).decode().strip().splitlines()
    return await ask_and_read_no_more(daifu.url, head)


async def ask_and_read_no_more(url: str, head: list[str]) -> socket.socket:
    """Send this request, with next to no room for what the server answers, and read no more than that it is granted."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, (host, int(port)))
    request, *fields = [line for line in head if not line.startswith("Host:")]
    await loop.sock_sendall(client, "\r\n".join([request, f"Host: {host}:{port}", *fields, "", ""]).encode())
    assert (await loop.sock_recv(client, 12))[9:] in (b"101", b"200")
    return client
