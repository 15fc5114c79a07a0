"""
The watch channel over Server-Sent Events, for networks that let no WebSocket through.

The same states and beats as on the socket, one a `data:` line; a last event `close` says why the server ends it. The
answer has no length: it ends with its connection, so that an event is the same bytes for whoever sees the same.
"""

import json
import time
from typing import Final

from tornado.httputil import HTTPServerRequest, format_timestamp
from tornado.iostream import StreamClosedError

from handlers.base import BaseHandler, checked_order_id, client_ip_of
from handlers.channel import Channel, Leave, Talker
from handlers.problems import ApiError
from handlers.replies import common_headers
from handlers.stream_channel import StreamChannel
from handlers.watching import Desk, Seat
from handlers.web import Web
from server.bus.hub import Framing
from server.errors import OrderNotFound, StoreError

RECONNECT_MS: Final = 2000


def event_frame(payload: bytes) -> bytes:
    """Return a JSON payload (which holds no line break) as one event."""
    return b"data: " + payload + b"\n\n"


async def serve_events(order_id: str, request: HTTPServerRequest, web: Web, *, request_id: str, leave: Leave) -> None:
    """
    Begin this order's stream of events; return once its first state is on its way.

    Raises:
        OrderNotFound, StoreError, ApiError: It is refused, and the connection is still HTTP's.
    """
    ticket = web.desk.ticket(request, checked_order_id(order_id))
    if ticket is None:
        raise ApiError(401, "not_logged_in")
    await web.services.store.get(order_id)  # while a refusal can still be an answer
    stream = EventStream(web.desk)
    stream.seat = web.desk.sign_in(ticket, client_ip_of(request, web.services.settings), stream)
    try:
        leave(_head(request_id), stream)
        await stream.show()
    except StreamClosedError:
        stream.lost()
    except (OrderNotFound, StoreError):
        stream.cut()
    except Exception:
        stream.cut()
        raise


def _head(request_id: str) -> bytes:
    fields = {
        **common_headers(request_id),
        "Date": format_timestamp(time.time()),
        "Content-Type": "text/event-stream; charset=utf-8",
        "X-Accel-Buffering": "no",
        "Connection": "close",
    }
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return f"HTTP/1.1 200 OK\r\n{lines}\r\nretry: {RECONNECT_MS}\n\n".encode()


class EventStream:
    """One page's stream. Fills hub.Transport for the hub and channel.Talker for the connection."""

    __slots__ = ("_channel", "_desk", "seat")

    framing: Framing = staticmethod(event_frame)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._channel: Channel
        self.seat: Seat

    async def show(self) -> None:
        """
        Send the order's state.

        Raises:
            OrderNotFound, StoreError: There is nothing to show.
        """
        order = await self.seat.show()
        self._channel.release()
        await self.seat.look_after(order)

    def cut(self) -> None:
        """End it without a word."""
        self._channel.cut()

    # What the hub calls.

    def write(self, frame: bytes) -> bool:
        return self._channel.write(frame)

    def ping(self) -> None:
        """Nothing answers on this channel: a peer that vanished is noticed when its writes pile up."""
        self.seat.watcher.heard(self._desk.now_s())

    def close(self, code: int, reason: str) -> None:
        if self._channel.is_clogged:
            self._channel.cut()  # a goodbye would wait behind what this reader does not take
            return
        said = json.dumps({"code": code, "reason": reason})
        self._channel.write(f"event: close\ndata: {said}\n\n".encode())
        self._channel.end()

    # What the connection calls.

    def begin(self, channel: Channel) -> None:
        self._channel = channel

    def received(self, data: bytes) -> None:
        """Whoever reads events has nothing to say."""

    def written(self) -> None:
        self.seat.watcher.written(self._desk.now_s())

    def lost(self) -> None:
        self.seat.give_up()


class EventsHandler(BaseHandler):
    """/api/orders/<id>/events, where no hot route serves it."""

    async def get(self, order_id: str) -> None:
        await serve_events(order_id, self.request, self.web, request_id=self.request_id, leave=self._leave_http)

    def _leave_http(self, head: bytes, talker: Talker) -> None:
        self.on_finish()
        StreamChannel(self.detach(), head, talker)
