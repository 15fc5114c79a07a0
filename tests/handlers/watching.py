"""What tests of the watch socket share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from handlers.websocket import PING_FRAME
from server.bootstrap import Services
from server.bus.hub import Hub
from server.bus.local import LocalBus
from tests.people import PATIENCE_S, Person, a_client
from tests.running import Daifu

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455's own, 1.3


def with_a_late_hub(late_s: list[float]) -> Callable[[Services], Services]:
    """Return what gives the services a hub whose clock is so far ahead; a list, so that a test can move it on."""

    def parts(services: Services) -> Services:
        hub = Hub(clock=services.clock, monotonic_s=lambda: time.monotonic() + late_s[0])
        return replace(services, hub=hub, bus=LocalBus(hub))

    return parts


def cookies_of(person: Person) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies.jar)


async def until_watched_by(count: int, daifu: Daifu) -> None:
    """Return when this many watch; every answer of the server gives it a turn to notice who came and who went."""
    async with asyncio.timeout(PATIENCE_S), a_client(daifu.url) as http:
        while len(daifu.services.hub) != count:
            await http.get("/healthz")


def handshake(daifu: Daifu, person: Person, order_id: str, **headers: str | None) -> bytes:
    """Return a page's handshake with these headers instead, or without those that are None."""
    fields: dict[str, str | None] = {
        "Host": f"127.0.0.1:{daifu.port}",
        "Origin": daifu.url,
        "Cookie": cookies_of(person),
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"GET /ws/orders/{order_id} HTTP/1.1", *lines, "", ""]).encode()


@asynccontextmanager
async def watching(
    daifu: Daifu, person: Person, order_id: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a socket that has its first state and beat."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daifu.port)
    writer.write(handshake(daifu, person, order_id))
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        await asyncio.wait_for(reader.readuntil(PING_FRAME), PATIENCE_S)
        yield reader, writer
    finally:
        writer.transport.abort()
