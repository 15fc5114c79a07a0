"""
The watch socket.

The whole public state comes first and then again whenever `rev` rises. Frames are built once and shared by every
watcher who sees the same bytes. Who speaks is the same on both fronts; they differ in the channel he speaks on.
"""

from typing import Any, Final

import structlog
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler
from websockets.frames import PONG

from handlers.auth import WatchTicket
from handlers.base import checked_order_id, client_ip_of, is_own_origin
from handlers.channel import Channel, Leave, Talker
from handlers.problems import ApiError
from handlers.replies import Reply
from handlers.stream_channel import StreamChannel
from handlers.texts import Language
from handlers.watching import BAD_REQUEST, NO_SUCH_ORDER, NOT_ALLOWED, TRY_AGAIN_LATER, Seat
from handlers.web import Web
from handlers.websocket import INTERNAL_ERROR, PING_FRAME, VERSION, Socket, accept, text_frame
from server.bus.hub import Framing
from server.errors import OrderNotFound, StoreError
from settings import Settings

log = structlog.get_logger()

# A watcher has nothing to say but a ping now and then; more than this, and one a second, is a fault or an attack.
MAX_FRAMES: Final = 100

_SWITCHING: Final = (
    "HTTP/1.1 101 Switching Protocols\r\nServer: daifu\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)


async def serve_socket(order_id: str, request: HTTPServerRequest, web: Web, *, leave: Leave) -> None:
    """
    Open this order's watch socket; return once its first state is on its way.

    Raises:
        ApiError: It is refused, and the connection is still HTTP's.
    """
    _check_origin(request, web.services.settings)
    address = client_ip_of(request, web.services.settings)
    ticket = web.desk.ticket(request, order_id)
    if ticket is not None:
        web.desk.check_room(ticket, address)
    watching = WatchSocket(web)
    try:
        leave(_SWITCHING.format(accept(request)).encode(), watching)
    except StreamClosedError:
        return
    await watching.open(order_id, ticket, address)


def refusal(status: int, code: str, detail: dict[str, object], language: Language) -> Reply:
    """Return the answer to a refused handshake: no page, as nobody looks at it."""
    return Reply(status)


def _check_origin(request: HTTPServerRequest, settings: Settings) -> None:
    """
    Let in every Origin on our list, and what is no browser: it has none, and a token.

    Raises:
        ApiError: 403.
    """
    origin = request.headers.get("Origin")
    is_let_in = "Authorization" in request.headers if origin is None else is_own_origin(origin, settings)
    if not is_let_in:
        raise ApiError(403, "foreign_origin")


class WatchSocket:
    """One page's socket. Fills hub.Transport for the hub and channel.Talker for the connection."""

    __slots__ = ("_channel", "_desk", "_frames", "_seat", "_since_s", "_socket")

    framing: Framing = staticmethod(text_frame)

    def __init__(self, web: Web) -> None:
        self._desk = web.desk
        self._socket = Socket()
        self._channel: Channel
        self._seat: Seat | None = None
        self._frames = 0
        self._since_s = web.desk.now_s()

    async def open(self, order_id: str, ticket: WatchTicket | None, address: str) -> None:
        """Sign in and show the order, or say why not."""
        if ticket is None:
            self.close(NOT_ALLOWED, "log in first")
            return
        try:
            checked_order_id(order_id)
            self._seat = self._desk.sign_in(ticket, address, self)
            order = await self._seat.show()
            self._channel.release()
            await self._seat.look_after(order)
        except OrderNotFound:
            self._end(NO_SUCH_ORDER, "no such order")
        except (StoreError, ApiError):
            self._end(TRY_AGAIN_LATER, "try again")
        except Exception:
            self._end(INTERNAL_ERROR, "")
            raise

    # What the hub calls.

    def write(self, frame: bytes) -> bool:
        return self._socket.is_closing or self._channel.write(frame)

    def ping(self) -> None:
        self.write(PING_FRAME)

    def close(self, code: int, reason: str) -> None:
        self._socket.close(code, reason)
        self._say()
        self._channel.expect_end()

    # What the channel calls.

    def begin(self, channel: Channel) -> None:
        self._channel = channel

    def received(self, data: bytes) -> None:
        frames = self._socket.receive(data)
        self._heard(sum(frame.opcode is not PONG for frame in frames))
        self._say()
        if self._socket.is_closing:
            self._leave()
            self._channel.expect_end()

    def written(self) -> None:
        if self._seat is not None:
            self._seat.watcher.written(self._desk.now_s())

    def lost(self) -> None:
        self._leave()

    def _heard(self, frames: int) -> None:
        now_s = self._desk.now_s()
        if self._seat is not None:
            self._seat.watcher.heard(now_s)
        self._frames += frames
        if self._frames > MAX_FRAMES + now_s - self._since_s:
            self._end(BAD_REQUEST, "too many messages")

    def _say(self) -> None:
        """Send what the socket itself has to say."""
        data, is_end = self._socket.take_output()
        if data:
            self._channel.write(data)
        if is_end:
            self._channel.end()

    def _end(self, code: int, reason: str) -> None:
        self._leave()
        self.close(code, reason)

    def _leave(self) -> None:
        if self._seat is not None:
            self._seat.give_up()


class WatchHandler(RequestHandler):
    """/ws/orders/<id>, where no hot route serves it."""

    def initialize(self, web: Web) -> None:
        self._web = web

    def set_default_headers(self) -> None:
        self.set_header("Server", "daifu")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    async def get(self, order_id: str) -> None:
        await serve_socket(order_id, self.request, self._web, leave=self._leave_http)

    def _leave_http(self, head: bytes, talker: Talker) -> None:
        StreamChannel(self.detach(), head, talker)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ApiError) and "retry_after_s" in error.detail:
            self.set_header("Retry-After", str(error.detail["retry_after_s"]))
        if status_code == 426:
            self.set_header("Sec-WebSocket-Version", VERSION)
        self.finish()  # no page: nobody looks at a refused handshake

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not isinstance(value, ApiError):
            log.error("bug", path=self.request.path, exc_info=(typ, value, tb))
