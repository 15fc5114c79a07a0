"""
Sockets that watch, ten thousand in one thread: raw bytes, and as little of the WebSocket protocol as a page needs that
only listens (RFC 6455).
"""

import base64
import os
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

PATIENCE_S: Final = 20
PER_ADDRESS: Final = 10_000  # one address has some 28,000 ports to connect from
AT_ONCE: Final = 128  # handshakes under way: no server's backlog is that short
PAID: Final = b'"state":"PAID"'
SWITCHED: Final = b"HTTP/1.1 101"
PING: Final = b"\x89\x00"
PONG: Final = b"\x8a\x80\x00\x00\x00\x00"
IP_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h: choose the port when the other end is known


class Turn(NamedTuple):
    """What a page says, and a piece of what must come back before it goes on."""

    said: bytes
    awaited: bytes


Conversation = tuple[Turn, ...]


class WrongPageError(Exception):
    """The server ended a page's conversation, or never said what it should have."""


class _Page:
    __slots__ = ("came", "number", "socket", "turns")

    def __init__(self, port: int, number: int, turns: Conversation) -> None:
        self.number = number
        self.turns = list(turns)
        self.came = b""
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class RawPages:
    """
    Pages on one server. `paid_at_s` is when each was first told that its order is paid, by its number; `waiting` is
    how many of those that are to be told have not been.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._ready = select.epoll()
        self._pages: dict[int, _Page] = {}
        self.paid_at_s: dict[int, float] = {}
        self.waiting = 0

    def __len__(self) -> int:
        return len(self._pages)

    def fileno(self) -> int:
        """Readable while a page is."""
        return self._ready.fileno()

    def open(self, conversations: Iterable[Conversation], *, are_told: bool = True) -> None:
        """
        Open a page for each conversation and have it; they are numbered on from those that are open.

        Args:
            are_told: Whether `waiting` counts them.

        Raises:
            WrongPageError: The server did not say what it should have.
        """
        before = len(self._pages)
        rest = enumerate(conversations, before)
        talking = 0
        while True:
            for number, turns in islice(rest, AT_ONCE - talking):
                self._begin(_Page(self._port, number, turns))
                talking += 1
            if not talking:
                break
            talking -= self._talk()
        if are_told:
            self.waiting += len(self._pages) - before

    def take_ready(self) -> None:
        """Read what came, without waiting."""
        for number, _ in self._ready.poll(0, max(1, len(self._pages))):
            page = self._pages[number]
            data = self._read(page)
            if page.number in self.paid_at_s:
                continue
            came = page.came + data
            if PAID in came:
                self.paid_at_s[page.number] = time.perf_counter()
                self.waiting -= 1
                came = b""
            page.came = came[-len(PAID) :]

    def close(self) -> None:
        for page in self._pages.values():
            page.socket.close()
        self._ready.close()
        self._pages.clear()

    def _begin(self, page: _Page) -> None:
        self._pages[page.socket.fileno()] = page
        self._ready.register(page.socket.fileno(), select.EPOLLIN)
        page.socket.sendall(page.turns[0].said)

    def _talk(self) -> int:
        """Go on with whoever was answered; return how many have nothing more to say."""
        ready = self._ready.poll(PATIENCE_S)
        if not ready:
            raise WrongPageError("no answer")
        return sum(self._go_on(self._pages[number]) for number, _ in ready)

    def _go_on(self, page: _Page) -> bool:
        data = self._read(page)
        if not page.turns:
            return False  # of an earlier call, or a beat
        page.came += data
        if page.came.startswith(b"HTTP/") and not page.came.startswith(SWITCHED[: len(page.came)]):
            raise WrongPageError(f"not let in: {page.came[:200]!r}")
        if page.turns[0].awaited not in page.came:
            return False
        page.came = b""
        del page.turns[0]
        if page.turns:
            page.socket.sendall(page.turns[0].said)
        return not page.turns

    def _read(self, page: _Page) -> bytes:
        data = page.socket.recv(16384)
        if not data:
            raise WrongPageError(f"ended after {page.came[:200]!r}")
        if PING in data:  # no text has a zero byte
            page.socket.send(PONG)
        return data


@contextmanager
def some_raw_pages(port: int) -> Iterator[RawPages]:
    pages = RawPages(port)
    try:
        yield pages
    finally:
        pages.close()


def handshake(path: str, *headers: str) -> bytes:
    """Return the request that opens a WebSocket (RFC 6455, 4.1)."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        *headers,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def masked_text(payload: str) -> bytes:
    """Return a client's text frame of fewer than 126 bytes, masked with zeros (RFC 6455, 5.2)."""
    data = payload.encode()
    return bytes((0x81, 0x80 | len(data))) + bytes(4) + data
