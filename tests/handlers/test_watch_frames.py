"""What a page may not send on its watch socket (RFC 6455): it ends that socket, at once, and harms no other."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from sandbox.app import Sandbox
from tests.handlers.fronts import FRONTS
from tests.handlers.watching import cookies_of, until_watched_by
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, start_daifu

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
FIRST_OF_TEXT, MIDDLE, LAST = 0x01, 0x00, 0x80


def frame(first: int, payload: bytes = b"", *, length: bytes = b"") -> bytes:
    """Return a masked frame; `length` stands in for the payload's own, as the bytes behind the first one."""
    mask = os.urandom(4)
    if not length:
        n = len(payload)
        length = bytes((n,)) if n < 126 else b"\x7e" + n.to_bytes(2) if n < 1 << 16 else b"\x7f" + n.to_bytes(8)
    body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return bytes((first, length[0] | 0x80)) + length[1:] + mask + body


BROKEN: Final[dict[str, bytes]] = {
    "a reserved bit": frame(TEXT | 0x40, b"hi"),
    "all reserved bits": frame(PING | 0x70),
    "a reserved data opcode": frame(0x83, b"hi"),
    "a reserved control opcode": frame(0x8B),
    "a ping in pieces": frame(PING & 0x7F, b"hi"),
    "a close in pieces": frame(CLOSE & 0x7F),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a close of 126 bytes": frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    "the rest of nothing": frame(LAST, b"hi"),
    "a middle of nothing": frame(MIDDLE, b"hi"),
    "text inside a text": frame(FIRST_OF_TEXT, b"h") + frame(TEXT, b"i"),
    "text that is not UTF-8": frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"),
    "text that is not UTF-8 in pieces": frame(FIRST_OF_TEXT, b"\xff") + frame(LAST, b"hi"),
    "text too large": frame(TEXT, b"x" * 4097),
    "text too large in pieces": frame(FIRST_OF_TEXT, b"x" * 4000) + frame(LAST, b"x" * 97),
    "terabytes announced": frame(BINARY, length=b"\x7f\x00\x00\x01\x00\x00\x00\x00\x00"),
    "a negative length": frame(BINARY, length=b"\x7f" + b"\xff" * 8),
    "a goodbye": frame(CLOSE, b"\x03\xe8"),
    "a goodbye without a word": frame(CLOSE),
}

FINE: Final[dict[str, bytes]] = {
    "text": frame(TEXT, "好".encode()),
    "bytes": frame(BINARY, b"\xff\x00"),
    "an empty text": frame(TEXT),
    "text in pieces with a ping between": frame(FIRST_OF_TEXT, b"h") + frame(PING, b"p") + frame(LAST, b"i"),
    "a character in pieces": frame(FIRST_OF_TEXT, b"\xe5") + frame(MIDDLE, b"\xa5") + frame(LAST, b"\xbd"),
    "a ping of 125 bytes": frame(PING, b"x" * 125),
    "a pong nobody asked for": frame(PONG, b"x"),
}


@pytest.fixture(params=FRONTS)
async def daifu(
    request: pytest.FixtureRequest, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, http_front=request.param)
    yield server
    await server.aclose()


@asynccontextmanager
async def watching(
    daifu: Daifu, person: Person, order_id: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", daifu.port)
    lines = [
        f"GET /ws/orders/{order_id} HTTP/1.1",
        f"Host: 127.0.0.1:{daifu.port}",
        f"Origin: {daifu.url}",
        f"Cookie: {cookies_of(person)}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        await asyncio.wait_for(reader.readuntil(b'"type":"order"'), PATIENCE_S)
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_a_broken_frame_ends_its_socket_and_no_other(daifu: Daifu, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    async with watching(daifu, initiator, order_id):
        for data in BROKEN.values():
            async with watching(daifu, initiator, order_id) as (reader, writer):
                writer.write(data)
                with suppress(ConnectionResetError):  # an end all the same
                    await asyncio.wait_for(reader.read(), PATIENCE_S)
            await until_watched_by(1, daifu)


async def test_whatever_is_well_formed_keeps_it_and_a_ping_is_answered(daifu: Daifu, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    async with watching(daifu, initiator, order_id) as (reader, writer):
        for data in FINE.values():
            writer.write(data)
        writer.write(frame(PING, b"last"))
        await asyncio.wait_for(reader.readuntil(b"\x8a\x04last"), PATIENCE_S)
        assert len(daifu.services.hub) == 1
