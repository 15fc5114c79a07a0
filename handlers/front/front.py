"""All clients of one process on the fast front: who is connected, what is coming in, and how to take no more."""

import asyncio
import resource
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from tornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.ioloop import PeriodicCallback

from handlers.front.connection import Connection
from handlers.front.exchange import Exchange
from handlers.front.owner import Limits
from handlers.port import RESERVED_FILES

BUFFER_BYTES: Final = 64 * 1024
BACKLOG: Final = 1024
SWEEP_MS: Final = 1000


class Front:
    """Fills `port.Port`. Made on a running loop; `delegate` is usually an Application."""

    def __init__(
        self, delegate: HTTPServerConnectionDelegate, limits: Limits, *, now_s: Callable[[], float] | None = None
    ) -> None:
        self.limits = limits
        self.buffer = bytearray(BUFFER_BYTES)
        self.begun = 0
        self.is_taking_no_more = False
        self.now_s = now_s or asyncio.get_running_loop().time
        self._delegate = delegate
        self._connected: set[Connection] = set()
        self._arriving: set[asyncio.Task[object]] = set()
        self._sockets: list[socket.socket] = []
        self._listening: set[asyncio.Task[asyncio.Server]] = set()
        self._gone = asyncio.Event()
        self._sweeping = PeriodicCallback(self.sweep, SWEEP_MS)
        self._sweeping.start()

    @property
    def connections(self) -> int:
        return len(self._connected) + len(self._arriving)

    @property
    def coming_in(self) -> int:
        return sum(connection.is_coming_in for connection in self._connected)

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        for each in sockets:  # it listens already: who connects before the task has run waits a moment
            self._sockets.append(each)
            serving = loop.create_server(lambda: Connection(self), sock=each, backlog=BACKLOG)
            self._listening.add(loop.create_task(serving))

    def sweep(self) -> None:
        """Cut everybody whose time is over."""
        now_s = self.now_s()
        for connection in [each for each in self._connected if each.deadline_s <= now_s]:
            connection.time_out()

    def take_no_more(self) -> None:
        self.is_taking_no_more = True
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            # Connected, but not accepted yet: closing the port would reset them, and it closes right after.
            with suppress(OSError):
                while True:
                    accepted, _ = each.accept()
                    arriving = loop.create_task(loop.connect_accepted_socket(lambda: Connection(self), accepted))
                    self._arriving.add(arriving)
                    arriving.add_done_callback(self._arriving.discard)
        for listening in self._listening:
            if listening.done():
                listening.result().close()
            else:
                listening.add_done_callback(lambda done: done.result().close())

    async def close_all_connections(self) -> None:
        self._sweeping.stop()
        if self._arriving:
            await asyncio.wait(self._arriving)
        for connection in tuple(self._connected):
            connection.cut()
        while self._connected:
            self._gone.clear()
            await self._gone.wait()

    # What a connection calls.

    def start_request(self, connection: Connection, exchange: Exchange) -> HTTPMessageDelegate:
        # A socket's handler keeps what stands for its connection: not the connection itself, which ends when
        # the socket leaves with its file.
        return self._delegate.start_request(connection.peer, exchange)

    def welcome(self, connection: Connection) -> bool:
        """Take it in, unless nearly all files are taken: the rest is kept for the stores and for WeChat."""
        # The kernel gives the lowest number that is free, so one this high says so.
        self._connected.add(connection)
        return connection.file_number < resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES

    def forget(self, connection: Connection) -> None:
        self._connected.discard(connection)
        self._delegate.on_close(connection.peer)
        self._gone.set()
