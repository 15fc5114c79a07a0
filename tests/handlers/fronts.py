"""A small application behind either front, and a client that says exactly the bytes it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from handlers.front.front import Front
from handlers.front.owner import Limits
from handlers.listener import Listener
from handlers.port import Port

FRONTS: Final = ("tornado", "fast")
PATIENCE_S: Final = 10
MAX_BODY_BYTES: Final = 1000
LIMITS: Final = Limits(
    max_head_bytes=16 * 1024, max_body_bytes=MAX_BODY_BYTES, head_timeout_s=10, body_timeout_s=10, idle_timeout_s=75
)


@dataclass
class Seen:
    """What reached the application."""

    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)


class _Seeing(RequestHandler):
    def initialize(self, seen: Seen) -> None:
        self.seen = seen


class EchoHandler(_Seeing):
    """Answers method, target and body."""

    def get(self) -> None:
        request = self.request
        self.seen.requests.append((request.method or "", request.uri or "", request.body))
        self.finish(f"{request.method} {request.uri} {len(request.body)}")

    head = post = put = get


class SlowHandler(_Seeing):
    """Answers when it may."""

    async def get(self) -> None:
        self.seen.requests.append(("GET", self.request.uri or "", b""))
        await self.seen.may_answer.wait()
        self.finish("at last")

    def on_connection_close(self) -> None:
        self.seen.gone.set()


class EndlessHandler(_Seeing):
    """Writes as fast as it is let; `requests` counts the pieces."""

    async def get(self) -> None:
        while not self.seen.gone.is_set():
            self.write(b"x" * 65536)
            await self.flush()
            self.seen.requests.append(("GET", "piece", b""))

    def on_connection_close(self) -> None:
        self.seen.gone.set()


class EchoSocket(WebSocketHandler):
    """Says what it hears."""

    def check_origin(self, origin: str) -> bool:
        return True

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message)


@dataclass
class Served:
    """A front that serves."""

    front: Port
    port: int
    seen: Seen

    async def say(self, data: bytes) -> bytes:
        """Return everything that comes back on a new connection until the server ends it."""
        async with self.connection() as (reader, writer):
            writer.write(data)
            return await read_all(reader)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@asynccontextmanager
async def served(name: str, *, now_s: Callable[[], float] | None = None) -> AsyncIterator[Served]:
    """Yield the application behind this front."""
    seen = Seen()
    given: dict[str, Any] = {"seen": seen}
    app = Application(
        [
            ("/slow", SlowHandler, given),
            ("/endless", EndlessHandler, given),
            ("/socket", EchoSocket),
            (".*", EchoHandler, given),
        ],
        log_function=lambda handler: None,
    )
    front: Port = (
        Front(app, LIMITS, now_s=now_s)
        if name == "fast"
        else Listener(app, max_body_size=MAX_BODY_BYTES, max_header_size=LIMITS.max_head_bytes)
    )
    sockets = bind_sockets(0, "127.0.0.1")
    front.add_sockets(sockets)
    yield Served(front, sockets[0].getsockname()[1], seen)
    seen.may_answer.set()
    front.take_no_more()
    await front.close_all_connections()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends, in peace or not."""
    read = b""
    with suppress(ConnectionResetError):
        while data := await asyncio.wait_for(reader.read(65536), PATIENCE_S):
            read += data
    return read


async def turns(number: int) -> None:
    """Let the loop turn so often: on this machine what was sent has then come."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Return once this is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is the kernel's and the server's
            await asyncio.sleep(0.005)
