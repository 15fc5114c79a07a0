"""
The watch channel over Server-Sent Events, for networks that let no WebSocket through.

The same states and beats as on the socket, one a `data:` line; a last event `close` says why the server ends it.
"""

import asyncio
import json
import time
from typing import Final

from tornado.http1connection import HTTP1Connection

from handlers.base import BaseHandler, checked_order_id
from handlers.front.exchange import Exchange
from handlers.problems import ApiError
from handlers.watching import Seat
from handlers.web import Web
from server.bus.hub import Framing

RECONNECT_MS: Final = 2000


def event_frame(payload: bytes) -> bytes:
    """Return a JSON payload (which holds no line break) as one event."""
    return b"data: " + payload + b"\n\n"


class EventStream:
    """Fills hub.Transport over one answer that does not end."""

    framing: Framing = staticmethod(event_frame)

    def __init__(self, handler: BaseHandler) -> None:
        self._handler = handler
        self._is_writing = False
        self.seat: Seat | None = None
        self.ended = asyncio.Event()

    def write(self, frame: bytes) -> bool:
        if self.ended.is_set():
            return True
        self._handler.write(frame)
        future = self._handler.flush()
        if future.done():
            future.exception()
            return True
        self._is_writing = True
        future.add_done_callback(self._written)
        return False

    def ping(self) -> None:
        """Nothing answers on this channel: a peer that vanished is noticed when its writes pile up."""
        if self.seat is not None:
            self.seat.watcher.heard(time.monotonic())

    def close(self, code: int, reason: str) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        if self._is_writing:
            self._cut()  # a goodbye would wait behind what this reader does not take
            return
        said = json.dumps({"code": code, "reason": reason})
        self._handler.write(f"event: close\ndata: {said}\n\n")

    def _cut(self) -> None:
        connection = self._handler.request.connection
        if isinstance(connection, HTTP1Connection | Exchange):
            connection.close()

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._is_writing = False
        if not future.cancelled() and future.exception() is None and self.seat is not None:
            self.seat.watcher.written(time.monotonic())


class EventsHandler(BaseHandler):
    """/api/orders/<id>/events"""

    def initialize(self, web: Web) -> None:
        super().initialize(web)
        self._stream = EventStream(self)

    async def get(self, order_id: str) -> None:
        ticket = self.desk.ticket(self.request, checked_order_id(order_id))
        if ticket is None:
            raise ApiError(401, "not_logged_in")
        await self.services.store.get(order_id)  # while a refusal can still be an answer
        self._stream.seat = seat = self.desk.sign_in(ticket, self.client_ip, self._stream)
        try:
            self.set_header("Content-Type", "text/event-stream; charset=utf-8")
            self.set_header("Content-Encoding", "identity")  # a compressor a page would cost more than it saves
            self.set_header("X-Accel-Buffering", "no")
            self.write(f"retry: {RECONNECT_MS}\n\n")
            await seat.begin()
            await self._stream.ended.wait()
        finally:
            seat.give_up()

    def on_connection_close(self) -> None:
        self._stream.ended.set()
