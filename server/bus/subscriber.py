"""Hearing news on Redis: one connection, subscribed to exactly what is wanted, opened again for as long as we live."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

import structlog

from server.redis.connection import (
    ANSWER_S,
    CONNECTION_ERRORS,
    Command,
    Connection,
    connection_to,
    full_jitter_s,
    send,
)
from server.tasks import end

PING_S: Final = 3.0
SILENCE_S: Final = 10.0  # not even an answer to a ping: the connection is dead, though nobody closed it
MAX_CHANNELS: Final = 1000

log = structlog.get_logger()


class Listener(Protocol):
    """Who is told; called on the loop."""

    def on_message(self, channel: str, payload: bytes) -> None:
        """This was said on a channel; by whom, how often and in which order is unknown."""
        ...

    def on_subscribed(self, channels: Sequence[str]) -> None:
        """From now on these are heard; what was said on them before may have been missed."""
        ...


class Subscriber:
    """
    Keeps the subscription equal to what `add` and `remove` asked for.

    Changes of one turn of the loop travel together, and the next ones wait until Redis has confirmed them.
    """

    def __init__(self, url: str, listener: Listener) -> None:
        self._url = url
        self._listener = listener
        self._wanted: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        self._subscribed: set[str] = set()
        self._unconfirmed: set[str] = set()
        self._asked: list[str] = []
        self._wake = asyncio.Event()
        self._failures = 0
        self.connections = 0
        self.is_subscribed = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="daifu-subscriber")

    def add(self, channel: str) -> None:
        self._wanted[channel] = None
        self._change(channel)

    def remove(self, channel: str) -> None:
        self._wanted.pop(channel, None)
        self._change(channel)

    async def aclose(self) -> None:
        await end([self._task])

    def _change(self, channel: str) -> None:
        self._changed[channel] = None
        self._wake.set()

    async def _run(self) -> None:
        while True:
            connection = connection_to(self._url, name="daifu-subscriber")
            try:
                async with asyncio.timeout(ANSWER_S):
                    await connection.connect()
                self.connections += 1
                await self._listen(connection)
            except* CONNECTION_ERRORS as errors:
                if self.is_subscribed:
                    log.warning("bus_cut_off", error=type(errors.exceptions[0]).__name__)
            except* Exception:
                # Deaf for ever is worse than any bug: begin anew, as after a cut.
                log.exception("bus_cut_off")
            finally:
                self.is_subscribed = False
                await connection.disconnect(nowait=True)
            await asyncio.sleep(full_jitter_s(self._failures))
            self._failures += 1

    async def _listen(self, connection: Connection) -> None:
        self._subscribed.clear()
        self._unconfirmed.clear()
        self._changed = dict(self._wanted)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(connection), name="daifu-subscriber-writes")
            while True:
                # A pub/sub connection is silent when nothing happens, so the time runs from ping to ping.
                message = await connection.read_response(timeout=SILENCE_S)
                if message is None:
                    raise ConnectionError("silent")
                self._take(message)

    async def _write(self, connection: Connection) -> None:
        while True:
            self._wake.clear()
            if commands := self._changes():
                await send(connection, commands)
            try:
                async with asyncio.timeout(PING_S):
                    await self._wake.wait()
            except TimeoutError:
                await send(connection, [("PING",)])

    def _changes(self) -> list[Command]:
        if self._unconfirmed:
            return []  # asked again when the last of them is confirmed
        changed = list(islice(self._changed, MAX_CHANNELS))
        for channel in changed:
            del self._changed[channel]
        new = [channel for channel in changed if channel in self._wanted and channel not in self._subscribed]
        gone = [channel for channel in changed if channel not in self._wanted and channel in self._subscribed]
        self._subscribed.update(new)
        self._subscribed.difference_update(gone)
        self._asked, self._unconfirmed = new, set(new)
        if self._changed and not new:
            self._wake.set()
        return [*_command("SUBSCRIBE", new), *_command("UNSUBSCRIBE", gone)]

    def _take(self, message: object) -> None:
        match message:
            case [b"message", bytes(channel), bytes(payload)]:
                self._listener.on_message(channel.decode(errors="replace"), payload)
            case [b"subscribe", bytes(channel), int()]:
                self._confirm(channel.decode(errors="replace"))

    def _confirm(self, channel: str) -> None:
        self._unconfirmed.discard(channel)
        if self._unconfirmed:
            return
        self._failures = 0
        if self._changed:
            self._wake.set()
        else:
            self.is_subscribed = True
        self._listener.on_subscribed(self._asked)


def _command(verb: str, channels: Iterable[str]) -> list[Command]:
    arguments = tuple(channels)
    return [(verb, *arguments)] if arguments else []
