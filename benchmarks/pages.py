"""Pages that watch, thousands of them in one process: the bytes of the watch socket and the manners of the page."""

import asyncio
import base64
import os
import random
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks.balancer import HOST

BACKOFF_BASE_S: Final = 0.5  # as static/js/watch.js
BACKOFF_CAP_S: Final = 20.0
TEXT: Final = 1
CLOSE: Final = 8
PING: Final = 9
EMPTY_PONG: Final = b"\x8a\x80\x00\x00\x00\x00"
LOST: Final = 1006


class Shown(msgspec.Struct):
    state: str


class Frame(msgspec.Struct):
    """What is read of a frame."""

    type: str
    rev: int = 0
    order: Shown | None = None


class Goodbye(msgspec.Struct):
    """What a server that goes down says."""

    delay_ms: int = 0


_frame = msgspec.json.Decoder(Frame).decode


class Page:
    """One order's page: watches through whichever process takes it, and comes back when it is sent away."""

    def __init__(self, order_id: str, token: str, ports: Sequence[int]) -> None:
        """The first of `ports` is tried first, the next one when that refuses."""
        self.order_id = order_id
        self.token = token
        self.rev = 0
        self.state = ""
        self.paid_at_s: float | None = None
        self.connected_at_s: list[float] = []
        self.has_state = asyncio.Event()
        self._ports = list(ports)
        self._failures = 0

    async def live(self) -> None:
        """Watch until cancelled."""
        while True:
            delay_s = await self._watch()
            backoff_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(self._failures, 16))
            self._failures += 1
            await asyncio.sleep(delay_s + random.uniform(0, backoff_s))

    async def _watch(self) -> float:
        """Watch for as long as one connection lasts; return for how many seconds the server wants us away."""
        loop = asyncio.get_running_loop()
        try:
            _, socket = await loop.create_connection(lambda: WatchSocket(self), HOST, self._ports[0])
        except OSError:
            self._ports.append(self._ports.pop(0))
            return 0.0
        try:
            return _assigned_delay_s(*await socket.closed)
        finally:
            socket.leave()

    def let_in(self) -> None:
        """A server accepted the handshake."""
        self.connected_at_s.append(time.perf_counter())

    def take(self, payload: bytes) -> None:
        """Show this frame. Only now the way is proven good: a handshake says nothing of the store behind it."""
        self._failures = 0
        frame = _frame(payload)
        if frame.order is None or frame.rev <= self.rev:
            return
        self.rev, self.state = frame.rev, frame.order.state
        if self.state == "PAID":
            self.paid_at_s = time.perf_counter()
        self.has_state.set()


def _assigned_delay_s(code: int, reason: bytes) -> float:
    if code == LOST:
        return 0.0
    try:
        return msgspec.json.decode(reason, type=Goodbye).delay_ms / 1000
    except msgspec.DecodeError:
        return 0.0


class WatchSocket(asyncio.Protocol):
    """The client's end of one WebSocket, as far as daifu's server uses the protocol."""

    def __init__(self, page: Page) -> None:
        self.closed: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._page = page
        self._is_open = False
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type checker what TCP gives
        self._transport = transport
        lines = [
            f"GET /ws/orders/{self._page.order_id} HTTP/1.1",
            f"Host: {HOST}",
            f"Authorization: Bearer {self._page.token}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open and not self._shake_hands():
            return
        while (frame := self._next_frame()) is not None:
            self._take(*frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(LOST, b"")

    def leave(self) -> None:
        self._transport.abort()

    def _shake_hands(self) -> bool:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        self._buffer = rest
        self._is_open = b" 101 " in head[:16]
        if self._is_open:
            self._page.let_in()
        else:
            self._end(LOST, b"")
        return self._is_open

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Return opcode and payload of the next whole frame; what a server sends is neither masked nor split."""
        if len(self._buffer) < 2:
            return None
        length, start = self._buffer[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(self._buffer[2:start])
        if len(self._buffer) < start + length:
            return None
        frame = self._buffer[0] & 15, bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return frame

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self._page.take(payload)
        elif opcode == PING:
            self._transport.write(EMPTY_PONG)
        elif opcode == CLOSE:
            self._end(int.from_bytes(payload[:2]), payload[2:])

    def _end(self, code: int, reason: bytes) -> None:
        if not self.closed.done():
            self.closed.set_result((code, reason))
