"""How often WeChat is asked on our own account."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from server.errors import WeChatUnavailable

QUERIES_PER_S: Final = 50.0
LONGEST_WAIT_S: Final = 2.0  # whoever would wait longer comes again later


class Pace:
    """A token bucket for one merchant in this process: a second's worth at once, then evenly."""

    def __init__(self, per_s: float = QUERIES_PER_S, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._gap_s = 1 / per_s
        self._monotonic_s = monotonic_s
        self._next_s = monotonic_s()

    async def turn(self, call: str) -> None:
        """
        Return when this call may be made.

        Raises:
            WeChatUnavailable: That would take too long; WeChat was not asked.
        """
        now_s = self._monotonic_s()
        next_s = max(self._next_s, now_s - 1)
        if next_s - now_s > LONGEST_WAIT_S:
            raise WeChatUnavailable(call, "paced")
        self._next_s = next_s + self._gap_s
        if next_s > now_s:
            await asyncio.sleep(next_s - now_s)
