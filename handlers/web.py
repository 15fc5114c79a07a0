"""What every handler is given."""

import asyncio
import math
import time
from dataclasses import dataclass

from handlers.auth import Sessions
from handlers.limits import Limits
from handlers.operators import Operators
from handlers.watching import Desk
from server.bootstrap import Services
from server.ports import Store


class InFlight:
    """Counts requests that have no answer yet, so that going down (`is_draining`) can wait for them."""

    def __init__(self) -> None:
        self.is_draining = False
        self.count = 0

    def begin(self) -> None:
        self.count += 1

    def end(self) -> None:
        self.count -= 1


class Readiness:
    """Asks the store whether it works, once a second at most for whoever wants to know: each time costs it a write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: asyncio.Future[None] | None = None
        self._asked_at_s = -math.inf

    async def check(self) -> None:
        """
        Return if the store works.

        Raises:
            StoreError: It does not.
        """
        if self._asked is None or time.monotonic() - self._asked_at_s >= 1:
            self._asked_at_s = time.monotonic()
            self._asked = asyncio.ensure_future(self._store.ping())
        await asyncio.shield(self._asked)


@dataclass(frozen=True)
class Web:
    """
    Services, sessions, where watchers sign in, which requests have no answer yet, whether the store works, how often
    anybody may ask, and who is an operator.
    """

    services: Services
    sessions: Sessions
    desk: Desk
    in_flight: InFlight
    readiness: Readiness
    limits: Limits
    operators: Operators
