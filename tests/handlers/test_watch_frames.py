"""What a page may not send on its watch socket (RFC 6455): it ends that socket, at once, and harms no other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from sandbox.app import Sandbox
from tests.handlers.frames import BROKEN, CLOSE, FINE, PING, PONG, answered, frame, frames_in
from tests.handlers.fronts import FRONTS
from tests.handlers.watching import handshake, until_watched_by, watching
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, start_daifu

# One of each kind; `test_websocket.py` has all of them.
ON_THE_WIRE: Final = (
    "1 text without a mask",
    "3 reserved bits 40",
    "4 opcode b",
    "5 a ping in pieces",
    "5 the rest of nothing",
    "6 ff",
    "7 a close of one byte",
    "9 text too large",
    "9 terabytes announced",
)


@pytest.fixture(params=FRONTS)
async def daifu(
    request: pytest.FixtureRequest, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, http_front=request.param)
    yield server
    await server.aclose()


async def test_a_broken_frame_ends_its_socket_and_no_other(daifu: Daifu, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    async with watching(daifu, initiator, order_id):
        for case in ON_THE_WIRE:
            sent, code = BROKEN[case]
            async with watching(daifu, initiator, order_id) as (reader, writer):
                writer.write(sent)
                said = list(frames_in(await asyncio.wait_for(reader.read(), PATIENCE_S)))
                assert [(first, int.from_bytes(payload[:2])) for first, payload in said] == [(CLOSE, code)], case
            await until_watched_by(1, daifu)


async def test_whatever_is_well_formed_keeps_it_and_pings_are_answered_in_their_order(
    daifu: Daifu, initiator: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    async with watching(daifu, initiator, order_id) as (reader, writer):
        for sent, pongs in FINE.values():
            writer.write(sent)
            assert await asyncio.wait_for(reader.readexactly(len(pongs)), PATIENCE_S) == pongs
        writer.write(frame(PING, b"last"))
        await asyncio.wait_for(reader.readuntil(answered(PONG, b"last")), PATIENCE_S)
        assert len(daifu.services.hub) == 1


async def test_a_goodbye_is_echoed_and_the_connection_ended(daifu: Daifu, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    async with watching(daifu, initiator, order_id) as (reader, writer):
        writer.write(frame(CLOSE, b"\x03\xe9"))
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == answered(CLOSE, b"\x03\xe9")
    await until_watched_by(0, daifu)


async def test_frames_behind_the_handshake_are_heard_and_nothing_follows_the_goodbye(
    daifu: Daifu, initiator: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    reader, writer = await asyncio.open_connection("127.0.0.1", daifu.port)
    writer.write(handshake(daifu, initiator, order_id) + frame(PING, b"early") + frame(CLOSE))
    said = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()

    assert answered(PONG, b"early") in said
    assert said.endswith(answered(CLOSE, b""))
    await until_watched_by(0, daifu)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": None}, b"400"),
        ({"Upgrade": "h2c"}, b"400"),
        ({"Connection": "keep-alive"}, b"400"),
        ({"Sec_WebSocket_Key": None}, b"400"),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, b"400"),
        ({"Sec_WebSocket_Key": "not base64 at all!!!!!=="}, b"400"),
        ({"Sec_WebSocket_Version": None}, b"426"),
        ({"Sec_WebSocket_Version": "8"}, b"426"),
        ({"Origin": "https://evil.example"}, b"403"),
        ({"Origin": None}, b"403"),
    ],
)
async def test_a_handshake_that_is_none_is_refused_in_a_word(
    headers: dict[str, str | None], status: bytes, daifu: Daifu, initiator: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    reader, writer = await asyncio.open_connection("127.0.0.1", daifu.port)
    writer.write(handshake(daifu, initiator, order_id, **headers))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    writer.transport.abort()

    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nContent-Length: 0\r\n" in head
    assert (b"\r\nSec-WebSocket-Version: 13\r\n" in head.replace(b"Websocket", b"WebSocket")) == (status == b"426")
    assert len(daifu.services.hub) == 0
