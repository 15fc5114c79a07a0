"""What every handler is given."""

import asyncio
from dataclasses import dataclass

from handlers.auth import Sessions
from handlers.watching import Desk
from server.bootstrap import Services


class InFlight:
    """Counts requests that have no answer yet, so that going down (`is_draining`) can wait for them."""

    def __init__(self) -> None:
        self.is_draining = False
        self._count = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def begin(self) -> None:
        self._count += 1
        self.idle.clear()

    def end(self) -> None:
        self._count -= 1
        if self._count == 0:
            self.idle.set()


@dataclass(frozen=True)
class Web:
    """The services, who is logged in, where watchers sign in, and which requests have no answer yet."""

    services: Services
    sessions: Sessions
    desk: Desk
    in_flight: InFlight
