"""What every way of watching shares: who may, how many may, and for how long."""

import random
from typing import Final

from tornado.httputil import HTTPServerRequest

from handlers.admission import Admission
from handlers.auth import Sessions, WatchTicket
from server.bootstrap import Services
from server.bus.hub import CLOSE_RESTARTING, End, Transport, Watcher
from server.domain.document import Order
from server.usecases.ask_sooner import ask_sooner

NOT_ALLOWED: Final = 4401  # stop
NO_SUCH_ORDER: Final = 4404  # stop
BAD_REQUEST: Final = 4400  # stop
TRY_AGAIN_LATER: Final = 1013

# Nobody watches for ever on one connection: after one of several machines was restarted, the crowd evens out again.
MAX_AGE_S: Final = (3600, 5400)


class Desk:
    """Where watchers sign in."""

    def __init__(self, services: Services, sessions: Sessions) -> None:
        self.services = services
        self._sessions = sessions
        self._admission = Admission(services.settings)

    def ticket(self, request: HTTPServerRequest, order_id: str) -> WatchTicket | None:
        """Return the right to watch this order that comes with this request, or None."""
        return self._sessions.watcher_of(request, order_id)

    def check_room(self, ticket: WatchTicket, address: str) -> None:
        """
        Return if this watcher could sign in now.

        Raises:
            ApiError: Too many watchers.
        """
        self._admission.check(ticket.person.openid, address)

    def sign_in(self, ticket: WatchTicket, address: str, transport: Transport) -> "Seat":
        """
        Begin to watch. Read the order only after this, so that no state can fall between.

        Raises:
            ApiError: Too many watchers.
        """
        self._admission.let_in(ticket.person.openid, address)
        hub = self.services.hub
        watcher = hub.watch(ticket.order_id, ticket.person.openid, transport, end=self._end(ticket))
        return Seat(self, watcher, address)

    def sign_out(self, openid: str, address: str) -> None:
        """One watcher less; once for each `sign_in`."""
        self._admission.let_go(openid, address)

    def now_s(self) -> float:
        """Return the seconds of the clock that watchers live by."""
        return self.services.hub.now_s()

    def _end(self, ticket: WatchTicket) -> End:
        left_s = ticket.until_s - self.services.clock.now_ms() / 1000
        age_s = random.uniform(*MAX_AGE_S)
        if left_s < age_s:
            return End(self.now_s() + left_s, NOT_ALLOWED, "log in again")
        return End(self.now_s() + age_s, CLOSE_RESTARTING, '{"delay_ms":0}')


class Seat:
    """One watcher's place."""

    __slots__ = ("_address", "_desk", "_is_initiators", "_is_taken", "watcher")

    def __init__(self, desk: Desk, watcher: Watcher, address: str) -> None:
        self._desk = desk
        self._address = address
        self._is_taken = True
        self._is_initiators = False
        """Was the initiator's presence made known?"""
        self.watcher = watcher

    async def show(self) -> Order:
        """
        Give the watcher the order's state, and the server's clock for the countdowns; return the order.

        Raises:
            OrderNotFound, StoreError: There is nothing to show.
        """
        services = self._desk.services
        order = await services.store.get(self.watcher.order_id)
        services.hub.offer_to(self.watcher, order)
        self.watcher.beat(services.hub.beat_frame(self.watcher), self._desk.now_s())
        return order

    async def look_after(self, order: Order) -> None:
        """
        Let others know who looks at this order, tell its initiator who opened the link, and see whether WeChat should
        be asked how it stands. Nothing of this for a page that went while the order was read.
        """
        if not self._is_taken:
            return
        if self.watcher.openid == order.initiator.openid:
            self._desk.services.visits.attend(self.watcher)
        await self.notice(order)
        await self.ask_sooner(order)

    async def ask_sooner(self, order: Order) -> None:
        """The watched order may be paid although nobody told us: see to it that WeChat is asked. Never raises."""
        services = self._desk.services
        await ask_sooner(order, self.watcher.openid, store=services.store, bus=services.bus, clock=services.clock)

    async def notice(self, order: Order) -> None:
        """Let all processes know if it is the initiator who looks, where that spares him a message."""
        if order.tells_initiator and not self._is_initiators and self.watcher.openid == order.initiator.openid:
            self._is_initiators = True
            await self._desk.services.presence.arrive(order.order_id)

    def give_up(self) -> None:
        """The page is gone. Safe to repeat."""
        if not self._is_taken:
            return
        self._is_taken = False
        watcher, services = self.watcher, self._desk.services
        if self._is_initiators:
            services.presence.leave(watcher.order_id)
        services.visits.leave(watcher)
        services.hub.forget(watcher)
        self._desk.sign_out(watcher.openid, self._address)
