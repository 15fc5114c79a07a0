"""
One connection to Redis: how it is opened, and how long to wait before the next try.

The library's pool, retries, health checks and push notifications stay unused. Whoever has a connection is its only
reader and writer, so an answer can never reach somebody who did not ask for it.
"""

import secrets
from collections.abc import Iterable
from typing import Any, Final, Protocol

from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

ANSWER_S: Final = 1.0  # a Redis that takes longer to connect, to take bytes or to answer counts as gone

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.5  # a page is late by as much when Redis is back

Command = tuple[str | bytes | int, ...]

# What the library raises when a connection is of no more use.
CONNECTION_ERRORS: Final = (RedisError, OSError, TimeoutError)

_random = secrets.SystemRandom()


class Connection(Protocol):
    """What is used of the library's connection, with the types it leaves out."""

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool = False) -> None: ...  # noqa: FBT001, FBT002 - the library's signature

    def pack_commands(self, commands: Iterable[Command]) -> list[bytes]: ...

    async def send_packed_command(self, command: Iterable[bytes]) -> None: ...

    async def read_response(self, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the library's signature
        """Return the next answer; None when none came for `timeout` seconds, after which it can be asked again."""
        ...


def connection_to(url: str, *, name: str) -> Connection:
    """Return a connection that is not open yet; `name` is what `CLIENT LIST` shows."""
    pool: Any = ConnectionPool.from_url(
        url,
        protocol=2,
        client_name=name,  # the answer to it is also the proof that somebody is there
        socket_connect_timeout=ANSWER_S,
        socket_timeout=None,  # how long is too long is the owner's to say
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    connection: Connection = pool.make_connection()
    return connection


async def send(connection: Connection, commands: Iterable[Command]) -> None:
    """Send these commands as one piece."""
    await connection.send_packed_command(connection.pack_commands(commands))


def full_jitter_s(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row; not all processes come back at once."""
    return _random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures, 10)))
