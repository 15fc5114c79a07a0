"""
The watch socket: a thin shell around `server.bus.hub.Watcher`.

The whole public state comes first and then again whenever `rev` rises. Frames are built once and shared by every
watcher who sees the same bytes; they are written to the stream as they are, because what a server sends is not masked.
"""

import asyncio
import time
from typing import Any, Final

import structlog
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketHandler

from handlers.auth import WatchTicket
from handlers.base import checked_order_id, forwarded_ip, is_own_origin
from handlers.problems import ApiError
from handlers.watching import BAD_REQUEST, NO_SUCH_ORDER, NOT_ALLOWED, TRY_AGAIN_LATER, Seat
from handlers.web import Web
from server.bus.hub import Framing
from server.errors import OrderNotFound, StoreError

log = structlog.get_logger()

# A watcher has nothing to say but a ping now and then; more than this, and one a second, is a fault or an attack.
MAX_MESSAGES: Final = 100

PING_FRAME: Final = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """Return the payload as one unmasked WebSocket text frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2) + payload
    return b"\x81\x7f" + length.to_bytes(8) + payload


class SocketTransport:
    """Fills hub.Transport over one socket."""

    framing: Framing = staticmethod(text_frame)

    def __init__(self, handler: "WatchHandler", stream: IOStream) -> None:
        self._handler = handler
        self._stream = stream

    def write(self, frame: bytes) -> bool:
        try:
            future = self._stream.write(frame)
        except StreamClosedError:
            return True  # on_close follows
        if future.done():
            future.exception()
            return True
        future.add_done_callback(self._written)
        return False

    def ping(self) -> None:
        self.write(PING_FRAME)

    def close(self, code: int, reason: str) -> None:
        self._handler.close(code, reason)

    def _written(self, future: "asyncio.Future[None]") -> None:
        if future.cancelled() or future.exception() is not None:
            return  # on_close follows
        self._handler.on_written()


class WatchHandler(WebSocketHandler):
    """/ws/orders/<id>"""

    def initialize(self, web: Web) -> None:
        self._services = web.services
        self._desk = web.desk
        self._ticket: WatchTicket | None = None
        self._seat: Seat | None = None
        self._messages = 0
        self._since_s = time.monotonic()

    def set_default_headers(self) -> None:
        self.set_header("Server", "daifu")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ApiError) and "retry_after_s" in error.detail:
            self.set_header("Retry-After", str(error.detail["retry_after_s"]))
        self.finish()  # no page: nobody looks at a refused handshake

    def prepare(self) -> None:
        # Tornado lets a handshake pass without an Origin, or with one that has only the Host in common with us, or none
        # of it if Sec-Fetch-Site says so. Here every Origin is on our list, and only what is no browser has none.
        origin = self.request.headers.get("Origin")
        is_let_in = "Authorization" in self.request.headers if origin is None else self.check_origin(origin)
        if not is_let_in:
            raise ApiError(403, "foreign_origin")
        self._ticket = self._desk.ticket(self.request, self.path_args[0])
        if self._ticket is not None:
            self._desk.check_room(self._ticket, self._address)

    @property
    def _address(self) -> str:
        headers, settings = self.request.headers, self._services.settings
        return forwarded_ip(self.request.remote_ip or "", headers.get("X-Forwarded-For", ""), settings.trusted_proxies)

    def check_origin(self, origin: str) -> bool:
        return is_own_origin(origin, self._services.settings)

    async def open(self, *args: str, **kwargs: str) -> None:
        if self._ticket is None:
            self.close(NOT_ALLOWED, "log in first")
            return
        stream = self.ws_connection.stream if self.ws_connection is not None else None
        if not isinstance(stream, IOStream):
            return
        try:
            checked_order_id(args[0])
            self._seat = self._desk.sign_in(self._ticket, self._address, SocketTransport(self, stream))
            await self._seat.begin()
        except OrderNotFound:
            self._end(NO_SUCH_ORDER, "no such order")
        except (StoreError, ApiError):
            self._end(TRY_AGAIN_LATER, "try again")

    def on_written(self) -> None:
        """The stream took the last frame."""
        if self._seat is not None:
            self._seat.watcher.written(time.monotonic())

    def on_message(self, message: str | bytes) -> None:
        self._count()

    def on_ping(self, data: bytes) -> None:
        self._count()  # each one is answered: a flood of them would fill the buffer of a peer that does not read

    def on_pong(self, data: bytes) -> None:
        self._heard()

    def on_close(self) -> None:
        if self._seat is not None:
            self._seat.give_up()

    def _count(self) -> None:
        self._heard()
        self._messages += 1
        if self._messages > MAX_MESSAGES + time.monotonic() - self._since_s:
            self._end(BAD_REQUEST, "too many messages")

    def _heard(self) -> None:
        if self._seat is not None:
            self._seat.watcher.heard(time.monotonic())

    def _end(self, code: int, reason: str) -> None:
        if self._seat is not None:
            self._seat.give_up()
        self.close(code, reason)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not isinstance(value, ApiError):
            log.error("bug", path=self.request.path, exc_info=(typ, value, tb))
