"""What every way of watching shares: who may, how many may, and for how long."""

import random
import time
from collections.abc import Callable
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
        self._services = services
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
        leave = self._admission.let_in(ticket.person.openid, address)
        hub = self._services.hub
        watcher = hub.watch(ticket.order_id, ticket.person.openid, transport, end=self._end(ticket))
        return Seat(self._services, watcher, leave)

    def _end(self, ticket: WatchTicket) -> End:
        left_s = ticket.until_s - self._services.clock.now_ms() / 1000
        age_s = random.uniform(*MAX_AGE_S)
        if left_s < age_s:
            return End(time.monotonic() + left_s, NOT_ALLOWED, "log in again")
        return End(time.monotonic() + age_s, CLOSE_RESTARTING, '{"delay_ms":0}')


class Seat:
    """One watcher's place."""

    def __init__(self, services: Services, watcher: Watcher, leave: Callable[[], None]) -> None:
        self._services = services
        self._leave: Callable[[], None] | None = leave
        self._presence_of = ""  # the order its initiator was seen on
        self.watcher = watcher

    async def begin(self) -> None:
        """
        Read the order and give the watcher its first state, and the server's clock for the countdowns; who opened the
        link comes after it, for the initiator alone. Then see whether WeChat should be asked how it stands.

        Raises:
            OrderNotFound, StoreError: There is nothing to show.
        """
        order = await self._services.store.get(self.watcher.order_id)
        self._services.hub.offer_to(self.watcher, order)
        await self.notice(order)
        self.watcher.beat(self._services.hub.beat_frame(self.watcher), time.monotonic())
        if self.watcher.openid == order.initiator.openid:
            self._services.visits.attend(self.watcher)
        await self.ask_sooner(order)

    async def ask_sooner(self, order: Order) -> None:
        """The watched order may be paid although nobody told us: see to it that WeChat is asked. Never raises."""
        services = self._services
        await ask_sooner(order, self.watcher.openid, store=services.store, bus=services.bus, clock=services.clock)

    async def notice(self, order: Order) -> None:
        """Let all processes know if it is the initiator who looks, where that spares him a message."""
        if order.tells_initiator and not self._presence_of and self.watcher.openid == order.initiator.openid:
            self._presence_of = order.order_id
            await self._services.presence.arrive(order.order_id)

    def give_up(self) -> None:
        """The page is gone. Safe to repeat."""
        if self._presence_of and self._leave is not None:
            self._services.presence.leave(self._presence_of)
        self._services.visits.leave(self.watcher)
        self._services.hub.forget(self.watcher)
        if self._leave is not None:
            self._leave()
            self._leave = None
