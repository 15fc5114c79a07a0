"""A small application behind either front, and a client that says exactly the bytes it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from handlers.channel import Channel
from handlers.front.exchange import Exchange
from handlers.front.front import Front
from handlers.front.owner import Limits
from handlers.listener import Listener
from handlers.port import Port
from handlers.stream_channel import StreamChannel

FRONTS: Final = ("tornado", "fast")
SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
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


class Echo:
    """Says on a channel what it hears, until it is told to stop. Fills channel.Talker."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.channel: Channel

    def begin(self, channel: Channel) -> None:
        self.channel = channel
        channel.release()

    def received(self, data: bytes) -> None:
        self.channel.write(data)
        if data.endswith(b"leave"):
            self.channel.expect_end()
        if data.endswith(b"end"):
            self.channel.end()

    def written(self) -> None:
        self.seen.requests.append(("", "written", b""))

    def lost(self) -> None:
        self.seen.gone.set()


class LeavingHandler(_Seeing):
    """Leaves HTTP on Tornado's own server."""

    def get(self) -> None:
        StreamChannel(self.detach(), SWITCHING, Echo(self.seen))


class LeavingRoute(HTTPMessageDelegate):
    """Leaves HTTP on the fast front."""

    def __init__(self, exchange: Exchange, seen: Seen) -> None:
        self._exchange = exchange
        self._seen = seen

    def finish(self) -> None:
        self._exchange.leave_http(SWITCHING, Echo(self._seen))


class HotRoutes(HTTPServerConnectionDelegate):
    """Stands before the application, for what leaves HTTP."""

    def __init__(self, application: Application, seen: Seen) -> None:
        self._application = application
        self._seen = seen

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        assert isinstance(request_conn, Exchange)
        return _Fork(self._application.start_request(server_conn, request_conn), LeavingRoute(request_conn, self._seen))

    def on_close(self, server_conn: object) -> None:
        self._application.on_close(server_conn)


class _Fork(HTTPMessageDelegate):
    def __init__(self, application: HTTPMessageDelegate, leaving: LeavingRoute) -> None:
        self._way = application
        self._leaving = leaving

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        if isinstance(start_line, RequestStartLine) and start_line.path == "/leave":
            self._way = self._leaving
        return self._way.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._way.data_received(chunk)

    def finish(self) -> None:
        self._way.finish()

    def on_connection_close(self) -> None:
        self._way.on_connection_close()


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
            ("/leave", LeavingHandler, given),
            (".*", EchoHandler, given),
        ],
        log_function=lambda handler: None,
    )
    front: Port = (
        Front(HotRoutes(app, seen), LIMITS, now_s=now_s)
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
