"""
Commands to Redis over one connection, all those of one turn of the event loop together.

A caller that gives up only leaves its future; the answer is still read, in its place, and thrown away. While Redis is
away or late every call fails at once, so callers never queue up behind it.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final, Self

import structlog
from redis.exceptions import ResponseError

from server.redis.connection import ANSWER_S, CONNECTION_ERRORS, Command, Connection, connection_to, full_jitter_s, send
from server.tasks import end

MAX_WAITING: Final = 2000
LATE_S: Final = 0.05

log = structlog.get_logger()

_Call = tuple[Command, asyncio.Future[Any]]


class RedisFailed(Exception):
    """Redis did not do what it was asked, or nobody knows whether it did."""


class RedisPipe:
    """Belongs to the event loop it was opened on. `opened` is set while there is a connection."""

    def __init__(self, url: str, *, name: str) -> None:
        self._url = url
        self._name = name
        self._waiting: list[_Call] = []
        self._flight: list[_Call] = []
        self._flight_since_s = 0.0
        self._wake = asyncio.Event()
        self._failures = 0
        self.opened = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name=name)

    @classmethod
    async def open(cls, url: str, *, name: str) -> Self:
        """Return once there is a connection, or after a second without one: Redis may come later."""
        pipe = cls(url, name=name)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await pipe.opened.wait()
        return pipe

    def call(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """
        Send a command; await the future for its answer.

        Raises:
            RedisFailed: By the future; at once while Redis is away or late.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        if (reason := self._refusal()) is not None:
            answer.set_exception(RedisFailed(reason))
            return answer
        self._waiting.append((command, answer))
        self._wake.set()
        return answer

    async def aclose(self) -> None:
        """End the connection; whoever still waits is told so."""
        await end([self._task])

    def _refusal(self) -> str | None:
        if not self.opened.is_set():
            return "no connection"
        if self._flight and self._loop.time() - self._flight_since_s > LATE_S:
            return "late"
        return "too many wait" if len(self._waiting) >= MAX_WAITING else None

    async def _run(self) -> None:
        try:
            while True:
                await self._connect_and_serve()
                await asyncio.sleep(full_jitter_s(self._failures))
                self._failures += 1
        finally:
            self._give_up("closed")

    async def _connect_and_serve(self) -> None:
        connection = connection_to(self._url, name=self._name)
        try:
            async with asyncio.timeout(ANSWER_S):
                await connection.connect()
            self.opened.set()
            await self._serve(connection)
        except CONNECTION_ERRORS as error:
            if self.opened.is_set() or self._failures == 0:
                log.warning("redis_gone", connection=self._name, error=type(error).__name__)
            self._give_up(type(error).__name__)
        finally:
            await connection.disconnect(nowait=True)

    async def _serve(self, connection: Connection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._flight, self._waiting = self._waiting, []
            self._flight_since_s = self._loop.time()
            async with asyncio.timeout(ANSWER_S):
                await send(connection, (command for command, _ in self._flight))
                for _, answer in self._flight:
                    await _read_into(answer, connection)
            self._flight = []
            self._failures = 0

    def _give_up(self, reason: str) -> None:
        self.opened.clear()
        self._wake.clear()
        calls, self._flight, self._waiting = [*self._flight, *self._waiting], [], []
        for _, answer in calls:
            if not answer.done():
                answer.set_exception(RedisFailed(reason))


async def _read_into(answer: asyncio.Future[Any], connection: Connection) -> None:
    try:
        result = await connection.read_response()
    except ResponseError as refusal:  # an answer too: the next one belongs to the next caller
        if not answer.done():
            answer.set_exception(RedisFailed(str(refusal)))
        return
    if not answer.done():
        answer.set_result(result)
