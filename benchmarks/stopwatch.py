"""How long the steps of something take, each without the steps inside it."""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Stopwatch:
    """
    Wraps functions; a round's steps are added up by name until `next_round` takes them.

    A plain function's time is its own: what wrapped functions inside it took is not counted twice. An awaited one's is
    from the call to the result, so only one round may be under way.
    """

    def __init__(self, now_s: Callable[[], float] = time.perf_counter) -> None:
        self._now_s = now_s
        self._inner: list[float] = []
        self._laps: dict[str, float] = {}
        self._began_s: float | None = None
        self._ended_s: dict[str, float] = {}

    def step(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def timed(*args: P.args, **named: P.kwargs) -> T:
            self._inner.append(0.0)
            begin_s = self._begin()
            try:
                return function(*args, **named)
            finally:
                took_s = self._end(name, begin_s, inner_s=self._inner.pop())
                if self._inner:
                    self._inner[-1] += took_s

        return timed

    def wait(self, name: str, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(function)
        async def timed(*args: P.args, **named: P.kwargs) -> T:
            begin_s = self._begin()
            try:
                return await function(*args, **named)
            finally:
                self._end(name, begin_s)

        return timed

    def until_s(self, name: str) -> float:
        """Return the seconds from the round's first step to the end of this one."""
        return self._ended_s[name] - (self._began_s or 0.0)

    def next_round(self) -> dict[str, float]:
        """Return this round's steps, in seconds, and begin another one."""
        laps, self._laps, self._began_s = self._laps, {}, None
        return laps

    def _begin(self) -> float:
        now_s = self._now_s()
        if self._began_s is None:
            self._began_s = now_s
        return now_s

    def _end(self, name: str, begin_s: float, *, inner_s: float = 0.0) -> float:
        self._ended_s[name] = self._now_s()
        took_s = self._ended_s[name] - begin_s
        self._laps[name] = self._laps.get(name, 0.0) + took_s - inner_s
        return took_s
