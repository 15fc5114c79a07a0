"""
Clients that keep a server waiting, each kind in its own way, and when the server got rid of them.

Nothing here floods: all they cost the server is what it holds for them, and for how long.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from rich.table import Table

from benchmarks.contestant import NOTIFY_PATH, Contestant
from handlers.process import BODY_TIMEOUT_S, HEAD_TIMEOUT_S, IDLE_TIMEOUT_S
from server.bus.hub import BEAT_S, SILENCE_S

SLACK_S: Final = 5.0
AT_ONCE: Final = 50
DRIP_S: Final = 1.0
IDLE: Final = 5000
OTHERS: Final = 300


@dataclass(frozen=True)
class Kind:
    """
    One way to waste time.

    Args:
        first: What is sent at once.
        drip: What is sent every second after that.
        limit_s: How long a server may put up with it.
    """

    name: str
    first: bytes
    drip: bytes
    limit_s: float


@dataclass
class Staller(asyncio.Protocol):
    """One such client. `lasted_s` is how long the server kept it."""

    kind: Kind
    lasted_s: float | None = None
    _opened_s: float = 0.0
    _transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP gives
        self._transport = transport
        self._opened_s = time.monotonic()
        transport.write(self.kind.first)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.lasted_s = time.monotonic() - self._opened_s

    def drip(self) -> None:
        if self._transport is not None and self.kind.drip:
            self._transport.write(self.kind.drip)

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def was_closed_in_time(self) -> bool:
        return self.lasted_s is not None and self.lasted_s <= self.kind.limit_s + SLACK_S


@dataclass
class Attack:
    """All of them. Open it, then let the server have its time: `longest_s` at most."""

    stallers: list[Staller] = field(default_factory=list)

    @property
    def longest_s(self) -> float:
        return max(staller.kind.limit_s for staller in self.stallers) + SLACK_S

    @property
    def survivors(self) -> int:
        """How many were not closed in time."""
        return sum(not staller.was_closed_in_time for staller in self.stallers)


def kinds_against(server: Contestant) -> dict[Kind, int]:
    """Return how many of which kind."""
    post = f"POST {NOTIFY_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    (turn,) = server.watch(server.order_ids[0])
    return {
        Kind("idle connections", b"", b"", IDLE_TIMEOUT_S): IDLE,
        Kind("slow headers", f"{post}X-Slow: ".encode(), b"a", HEAD_TIMEOUT_S): OTHERS,
        Kind("slow bodies", f"{post}Content-Length: 1000\r\n\r\n".encode(), b"a", BODY_TIMEOUT_S): OTHERS,
        Kind("half a request and silence", post.encode(), b"", HEAD_TIMEOUT_S): OTHERS,
        # A phone that lost its network: the socket is open on our side only.
        Kind("pages that never answer a ping", turn.said, b"", SILENCE_S + BEAT_S): OTHERS,
    }


@asynccontextmanager
async def an_attack(port: int, kinds: dict[Kind, int]) -> AsyncIterator[Attack]:
    """Open so many of each kind and have them drip until the end."""
    attack = Attack()
    wanted = [kind for kind, count in kinds.items() for _ in range(count)]
    loop = asyncio.get_running_loop()

    async def open_one(kind: Kind) -> Staller:
        _, staller = await loop.create_connection(lambda: Staller(kind), "127.0.0.1", port)
        return staller

    dripping = asyncio.create_task(_drip(attack.stallers))
    try:
        for start in range(0, len(wanted), AT_ONCE):
            attack.stallers += await asyncio.gather(*map(open_one, wanted[start : start + AT_ONCE]))
        yield attack
    finally:
        dripping.cancel()
        for staller in attack.stallers:
            staller.leave()


async def _drip(stallers: list[Staller]) -> None:
    while True:
        for staller in tuple(stallers):
            staller.drip()
        await asyncio.sleep(DRIP_S)


def attack_table(stallers: Sequence[Staller]) -> Table:
    """Return a line for each kind: how many there were, and how long the server kept them."""
    shown = Table("kind", "opened", "closed in time", "kept: median s", "longest s", "allowed s")
    for kind in dict.fromkeys(staller.kind for staller in stallers):
        some = [staller for staller in stallers if staller.kind is kind]
        lasted_s = [staller.lasted_s for staller in some if staller.lasted_s is not None] or [0.0]
        closed = sum(staller.was_closed_in_time for staller in some)
        times = (f"{median(lasted_s):.1f}", f"{max(lasted_s):.1f}", f"{kind.limit_s:.0f} + {SLACK_S:.0f}")
        shown.add_row(kind.name, str(len(some)), str(closed), *times)
    return shown
