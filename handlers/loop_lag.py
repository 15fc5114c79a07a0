"""How late the event loop wakes up: what every request waits for before it is looked at."""

import asyncio
from typing import Final

from server.metrics import Metrics

EVERY_S: Final = 0.5


class LoopLag:
    """Measures from `start` to `stop`, on the running loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._observe = metrics.loop_lag_seconds.observe
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(loop.time() + EVERY_S, self._woken, loop.time() + EVERY_S)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _woken(self, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._observe(max(0.0, loop.time() - due_s))
        self.start()
