"""
The requests that come most, answered without a RequestHandler: notifies, one order read by its page, and the pages that
watch.

What is answered is made by the functions the handlers of these routes call too, so it is the same to the byte. Whatever
is out of the ordinary (another method, a query, a condition, a body that is large or of unknown length) goes to the
application.
"""

import asyncio
import gzip
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from hashlib import sha1
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    format_timestamp,
)
from tornado.web import Application, GZipContentEncoding

from handlers.app import MAX_BODY_BYTES
from handlers.channel import Talker
from handlers.events import serve_events
from handlers.front.exchange import Exchange
from handlers.long_poll import read_order
from handlers.notify import PAY, REFUND, NotifyKind, take_notify
from handlers.notify_v3 import V3
from handlers.problems import describe
from handlers.replies import (
    Reply,
    common_headers,
    language_of,
    log_failure,
    name_in_logs,
    new_request_id,
    problem_reply,
)
from handlers.texts import Language
from handlers.watch import refusal, serve_socket
from handlers.web import Web
from handlers.websocket import VERSION
from server.bootstrap import NOTIFY_PATH, REFUND_NOTIFY_PATH, V3_NOTIFY_PATH

_ORDER: Final = re.compile(r"/api/orders/([0-9A-HJKMNP-TV-Z]{26})(?:\?viewer=[0-9a-z]*)?")
_SOCKET: Final = re.compile(r"/ws/orders/([^/?]+)(?:\?.*)?")
_EVENTS: Final = re.compile(r"/api/orders/([^/?]+)/events(?:\?.*)?")
_NOTIFIES: Final = {NOTIFY_PATH: PAY, REFUND_NOTIFY_PATH: REFUND, V3_NOTIFY_PATH: V3}


class Route(NamedTuple):
    """`serve` answers once, or leaves HTTP; `problem` is the answer when it raises before."""

    serve: Callable[["HotRequest"], Awaitable[None]]
    problem: Callable[[int, str, dict[str, object], Language], Reply]


class _Date:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, format_timestamp(second)
        return self._text


class HotRoutes(HTTPServerConnectionDelegate):
    """Stands before the application."""

    def __init__(self, application: Application, web: Web) -> None:
        self.application = application
        self.web = web
        self.date = _Date()
        self.running: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks only weakly
        self._notifies = {target: self._notify_route(kind) for target, kind in _NOTIFIES.items()}

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        assert isinstance(request_conn, Exchange)  # noqa: S101 - only the fast front has hot routes
        return _Fork(self, server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        self.application.on_close(server_conn)

    def find(self, start_line: RequestStartLine, headers: HTTPHeaders) -> Route | None:
        """Return who serves this request, or None: the application."""
        method, target, _ = start_line
        if method == "POST":
            is_ordinary = 0 < int(headers.get("Content-Length", "0")) <= MAX_BODY_BYTES
            return self._notifies.get(target) if is_ordinary else None
        if method != "GET":
            return None
        watching = self._find_watching(target)
        if watching is not None or "If-None-Match" in headers or "Content-Length" in headers:
            return watching
        order = _ORDER.fullmatch(target)
        return Route(partial(self._read_order, order[1]), problem_reply) if order is not None else None

    def _find_watching(self, target: str) -> Route | None:
        """Return who serves a page that watches; on this front nobody else can."""
        if (socket := _SOCKET.fullmatch(target)) is not None:
            return Route(partial(self._open_socket, socket[1]), refusal)
        if (events := _EVENTS.fullmatch(target)) is not None:
            return Route(partial(self._begin_events, events[1]), problem_reply)
        return None

    def _notify_route(self, kind: NotifyKind) -> Route:
        async def serve(hot: HotRequest) -> None:
            await take_notify(kind, hot.request, self.web.services, send=hot.send)

        def problem(status: int, code: str, detail: dict[str, object], language: Language) -> Reply:
            return kind.problem(status)

        return Route(serve, problem)

    async def _read_order(self, order_id: str, hot: "HotRequest") -> None:
        await read_order(order_id, hot.request, self.web, send=hot.send)

    async def _open_socket(self, order_id: str, hot: "HotRequest") -> None:
        await serve_socket(order_id, hot.request, self.web, leave=hot.leave_http)

    async def _begin_events(self, order_id: str, hot: "HotRequest") -> None:
        await serve_events(order_id, hot.request, self.web, request_id=hot.request_id, leave=hot.leave_http)


class _Fork(HTTPMessageDelegate):
    """Takes one request the way it has to go."""

    def __init__(self, hot: HotRoutes, server_conn: object, exchange: Exchange) -> None:
        self._hot = hot
        self._server_conn = server_conn
        self._exchange = exchange
        self._way: HTTPMessageDelegate

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        assert isinstance(start_line, RequestStartLine)  # noqa: S101 - a server reads requests
        route = self._hot.find(start_line, headers)
        self._way = (
            self._hot.application.start_request(self._server_conn, self._exchange)
            if route is None
            else HotRequest(route, self._hot, self._exchange)
        )
        return self._way.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._way.data_received(chunk)

    def finish(self) -> None:
        self._way.finish()

    def on_connection_close(self) -> None:
        self._way.on_connection_close()


class HotRequest(HTTPMessageDelegate):
    """One request on its way through a hot route."""

    def __init__(self, route: Route, hot: HotRoutes, exchange: Exchange) -> None:
        self._route = route
        self._hot = hot
        self._in_flight = hot.web.in_flight
        self._exchange = exchange
        self._body: list[bytes] = []
        self.request: HTTPServerRequest
        self.request_id = new_request_id()
        self._is_answered = False

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        assert isinstance(start_line, RequestStartLine)  # noqa: S101 - a server reads requests
        self.request = HTTPServerRequest(connection=self._exchange, start_line=start_line, headers=headers)

    def data_received(self, chunk: bytes) -> None:
        self._body.append(chunk)

    def finish(self) -> None:
        self.request.body = b"".join(self._body)
        self._in_flight.begin()
        context = copy_context()  # of its own: the one this runs in lives as long as the connection
        context.run(name_in_logs, self.request_id, self.request.path)
        running = asyncio.create_task(self._serve(), context=context)
        self._hot.running.add(running)
        running.add_done_callback(self._served, context=context)

    def on_connection_close(self) -> None:
        """A request that never came in whole asks for nothing; one that did is carried out all the same."""

    async def _serve(self) -> None:
        await self._route.serve(self)

    def _served(self, running: "asyncio.Task[None]") -> None:
        self._hot.running.discard(running)
        self._in_flight.end()
        error = None if running.cancelled() else running.exception()
        if error is None:
            return
        log_failure(self.request.path, error)
        if not self._is_answered:
            status, code, detail = describe(error, 500)
            reply = self._route.problem(status, code, detail, language_of(self.request))
            self._send(reply, detail.get("retry_after_s"))

    def send(self, reply: Reply) -> None:
        """Answer with this."""
        self._send(reply)

    def leave_http(self, head: bytes, talker: Talker) -> None:
        """
        Answer with these bytes and leave the connection.

        Raises:
            StreamClosedError: The client is gone.
        """
        self._is_answered = True
        self._exchange.leave_http(head, talker)

    def _send(self, reply: Reply, retry_after_s: object = None) -> None:
        self._is_answered = True
        self._exchange.closes_after |= self._in_flight.is_draining
        fields = {**common_headers(self.request_id), "Date": self._hot.date.now(), "Vary": "Accept-Encoding"}
        body = reply.body
        if retry_after_s is not None:
            fields["Retry-After"] = str(retry_after_s)
        if reply.status == 200 and self.request.method == "GET":
            fields["Etag"] = f'"{sha1(body, usedforsecurity=False).hexdigest()}"'
        if reply.status == HTTPStatus.UPGRADE_REQUIRED:
            fields["Sec-WebSocket-Version"] = VERSION
        if reply.content_type:
            if len(body) >= GZipContentEncoding.MIN_LENGTH and "gzip" in self.request.headers.get(
                "Accept-Encoding", ""
            ):
                body = gzip.compress(body, GZipContentEncoding.GZIP_LEVEL)
                fields["Content-Encoding"] = "gzip"
            fields["Content-Type"] = reply.content_type
        if reply.status != HTTPStatus.NO_CONTENT:
            fields["Content-Length"] = str(len(body))
        lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
        self._exchange.answer(HTTPStatus(reply.status), lines, body)
