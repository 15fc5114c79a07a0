"""All clients of one process on the fast front: who is connected, what is coming in, and how to take no more."""

import asyncio
import errno
import resource
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog
from tornado.httputil import HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.ioloop import PeriodicCallback

from handlers.front.channel import FrontChannel
from handlers.front.connection import Connection
from handlers.front.exchange import Exchange
from handlers.front.owner import Limits
from handlers.port import RESERVED_FILES

BUFFER_BYTES: Final = 64 * 1024
SWEEP_MS: Final = 1000
ACCEPT_AGAIN_S: Final = 1.0

_GONE_ALREADY: Final = {errno.ECONNABORTED, errno.EINTR}  # this one client is

log = structlog.get_logger()


class Front:
    """Fills `port.Port`. Made on a running loop; `delegate` is usually an Application."""

    def __init__(
        self, delegate: HTTPServerConnectionDelegate, limits: Limits, *, now_s: Callable[[], float] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.limits = limits
        self.buffer = bytearray(BUFFER_BYTES)
        self.begun = 0
        self.is_taking_no_more = False
        self.now_s = now_s or self._loop.time
        self._delegate = delegate
        self._connected: set[Connection] = set()
        self._channels: set[FrontChannel] = set()  # who left HTTP
        self._arriving: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []
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
        for each in sockets:
            self._sockets.append(each)
            self._listen(each)

    def _listen(self, listening: socket.socket) -> None:
        # Not the loop's own server: closed while it takes in a connection it has accepted, it drops that one unheard.
        if not self.is_taking_no_more:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Take in whoever is connected."""
        try:
            while True:
                accepted, _ = listening.accept()
                arriving = self._loop.create_task(self._take_in(accepted))
                self._arriving.add(arriving)
                arriving.add_done_callback(self._arriving.discard)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in _GONE_ALREADY:
                return
            # No file or no memory is left. Trying again at once would do nothing else.
            log.warning("accept_failed", reason=error.strerror)
            self._loop.remove_reader(listening)
            self._loop.call_later(ACCEPT_AGAIN_S, self._listen, listening)

    async def _take_in(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(self), accepted)
        except OSError:  # the client left
            accepted.close()

    def sweep(self) -> None:
        """Cut everybody whose time is over."""
        now_s = self.now_s()
        for late in [each for each in self._everybody() if each.deadline_s <= now_s]:
            late.time_out()

    def take_no_more(self) -> None:
        self.is_taking_no_more = True
        while self._sockets:
            listening = self._sockets.pop()
            # Who is connected, but not accepted yet, would be reset by closing the port.
            self._accept(listening)
            self._loop.remove_reader(listening)
            listening.close()

    async def close_all_connections(self) -> None:
        self._sweeping.stop()
        if self._arriving:
            await asyncio.wait(self._arriving)
        for each in tuple(self._everybody()):
            each.cut()
        while self._connected or self._channels:
            self._gone.clear()
            await self._gone.wait()

    def _everybody(self) -> Iterator[Connection | FrontChannel]:
        yield from self._connected
        yield from self._channels

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

    def keep_channel(self, channel: FrontChannel) -> None:
        self._channels.add(channel)

    def forget_channel(self, channel: FrontChannel) -> None:
        self._channels.discard(channel)
        self._gone.set()
