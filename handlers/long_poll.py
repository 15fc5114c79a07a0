"""
The watch channel for those who can neither hold a socket nor a stream: a GET that waits for news.

`GET /api/orders/<id>?since=<rev>&wait=<seconds>` answers at once when the order is newer than `since`, else when it
becomes newer or the wait is over; either way with the whole state.
"""

import asyncio
import time
from typing import Final

from tornado.httputil import HTTPServerRequest

from handlers.auth import WatchTicket
from handlers.base import BaseHandler, checked_order_id
from handlers.orders import OneOrder
from handlers.problems import ApiError
from handlers.replies import Send, json_reply
from handlers.requests import BadRequest
from handlers.watching import Desk, Seat
from handlers.web import Web
from server.bus.hub import Framing
from server.domain.document import Order
from server.domain.public_order import public_order

MAX_WAIT_S: Final = 30


def _ticket(order_id: str, request: HTTPServerRequest, desk: Desk) -> WatchTicket:
    ticket = desk.ticket(request, checked_order_id(order_id))
    if ticket is None:
        raise ApiError(401, "not_logged_in")
    return ticket


async def read_order(order_id: str, request: HTTPServerRequest, web: Web, *, send: Send) -> None:
    """
    Send the order as it is now, as whoever asks may see it.

    Raises:
        OrderNotFound, StoreError, ApiError: There is nothing to show, or not to him.
    """
    ticket = _ticket(order_id, request, web.desk)
    order = await web.services.store.get(order_id)
    send(json_reply(OneOrder(public_order(order, ticket.person.openid))))


class Bell:
    """Fills hub.Transport by ringing: the news itself is read from the store."""

    framing: Framing = bytes

    def __init__(self) -> None:
        self.rung = asyncio.Event()

    def write(self, frame: bytes) -> bool:
        self.rung.set()
        return True

    def ping(self) -> None:
        """Whoever polls is heard by polling again."""

    def close(self, code: int, reason: str) -> None:
        self.rung.set()


class OrderHandler(BaseHandler):
    """/api/orders/<id>"""

    def initialize(self, web: Web) -> None:
        super().initialize(web)
        self._bell = Bell()
        self._has_left = False

    async def get(self, order_id: str) -> None:
        ticket = _ticket(order_id, self.request, self.desk)
        since, wait_s = self._number("since", most=2**31), self._number("wait", most=MAX_WAIT_S)
        order = await self.services.store.get(order_id)
        if wait_s and order.rev <= since:
            seat = self.desk.sign_in(ticket, self.client_ip, self._bell)
            try:
                await seat.notice(order)
                await seat.ask_sooner(order)
                order = await self._newer(seat, since, wait_s)
            finally:
                seat.give_up()
        self.answer(OneOrder(public_order(order, ticket.person.openid)))

    async def _newer(self, seat: Seat, since: int, wait_s: int) -> Order:
        """Return the order once it is newer than `since`, or as it is when the wait is over or the page has gone."""
        seat.watcher.rev = since
        until_s = time.monotonic() + wait_s
        while True:
            self._bell.rung.clear()
            order = await self.services.store.get(seat.watcher.order_id)
            left_s = until_s - time.monotonic()
            if order.rev > since or left_s <= 0 or self.in_flight.is_draining or self._has_left:
                return order
            try:
                await asyncio.wait_for(self._bell.rung.wait(), left_s)
            except TimeoutError:
                return order

    def on_connection_close(self) -> None:
        self._has_left = True
        self._bell.rung.set()

    def _number(self, name: str, *, most: int) -> int:
        value = self.get_query_argument(name, "0")
        if not (value.isascii() and value.isdigit() and len(value) < 11):
            raise BadRequest(name, "type", expected="int")
        return min(int(value), most)
