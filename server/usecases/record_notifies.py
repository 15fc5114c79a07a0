"""
The journal is written behind WeChat's back: a notify is noted in memory once it is answered, and kept soon after.

What could be sent by anybody is kept so many times an hour only, and what nobody vouches for only in part, so that a
flood of forged ones fills no disk. While the store is down what is noted is dropped and counted: WeChat sends again
whatever was not acknowledged.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from secrets import token_bytes
from typing import Final, NamedTuple

import structlog

from server.domain.notify import (
    DOUBTFUL,
    MAX_DOUBTFUL_BYTES,
    MOST_PER_HOUR,
    Notify,
    NotifyRoute,
    Verdict,
    notify_id_at,
)
from server.errors import StoreError
from server.ports import Journal
from server.tasks import end

# Beyond so many that wait the newest are dropped: some ten megabytes of notifies.
MOST_WAITING: Final = 5000
MAX_BATCH: Final = 100  # rows that payments of the same moment may have to wait for
GATHER_S: Final = 0.2  # what comes in between goes together, so that the store is not asked for each notify
CLOSE_S: Final = 2.0

_HOUR_MS: Final = 3_600_000
_MAX_HEADER: Final = 512
_KEPT_HEADERS: Final = frozenset({"content-type", "user-agent", "request-id"})
_KEPT_PREFIX: Final = "wechatpay-"  # API v3 signs with them

_log = structlog.get_logger(__name__)


class Inbound(NamedTuple):
    """A notify as it came; `headers` have names in any case."""

    route: NotifyRoute
    received_at_ms: int
    peer: str
    headers: Mapping[str, str]
    body: bytes


class NotifyRecorder:
    """Works from `start` to `aclose`, on one event loop. `dropped` were wanted and lost, `left_out` not wanted."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[Notify] = deque()
        self._wake = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._is_closing = False
        self._hour = 0
        self._this_hour: Counter[Verdict] = Counter()
        self.dropped = 0
        self.left_out = 0

    def note(self, inbound: Inbound, verdict: Verdict, reason: str, order_id: str) -> None:
        """Keep this notify soon, if it is wanted. Waits for nothing and never raises."""
        if not self._is_wanted(verdict, inbound.received_at_ms):
            self.left_out += 1
        elif len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
        else:
            self._waiting.append(self._notify(inbound, verdict, reason, order_id))
            self._wake.set()

    def start(self) -> None:
        """Begin to write down what is noted."""
        self._writing = asyncio.create_task(self._write_until_closed(), name="daifu-notify-recorder")

    async def aclose(self) -> None:
        """Write down what still waits, if the store takes it within two seconds. Safe to repeat."""
        self._is_closing = True
        self._wake.set()
        if self._writing is None:
            return
        _, late = await asyncio.wait([self._writing], timeout=CLOSE_S)
        await end(late)

    def _is_wanted(self, verdict: Verdict, now_ms: int) -> bool:
        most = MOST_PER_HOUR.get(verdict)
        if most is None:
            return True
        if (hour := now_ms // _HOUR_MS) != self._hour:
            self._hour = hour
            self._this_hour.clear()
        self._this_hour[verdict] += 1
        return self._this_hour[verdict] <= most

    def _notify(self, inbound: Inbound, verdict: Verdict, reason: str, order_id: str) -> Notify:
        body = inbound.body
        return Notify(
            notify_id=notify_id_at(inbound.received_at_ms, token_bytes(10)),
            route=inbound.route,
            received_at_ms=inbound.received_at_ms,
            peer=inbound.peer,
            headers=_kept_headers(inbound.headers),
            body=body[:MAX_DOUBTFUL_BYTES] if verdict in DOUBTFUL else body,
            size_bytes=len(body),
            verdict=verdict,
            reason=reason,
            order_id=order_id,
        )

    async def _write_until_closed(self) -> None:
        while self._waiting or not self._is_closing:
            await self._wake.wait()
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            if not self._waiting and not self._is_closing:
                self._wake.clear()
            if batch:
                await self._write(batch)
            if len(self._waiting) < MAX_BATCH and not self._is_closing:
                await asyncio.sleep(GATHER_S)

    async def _write(self, batch: list[Notify]) -> None:
        try:
            await self._journal.keep(batch)
        except StoreError:
            self._lose(batch)
        except Exception:  # noqa: BLE001 - nobody waits for this task, and the next notify is to be kept again
            self._lose(batch)

    def _lose(self, batch: list[Notify]) -> None:
        self.dropped += len(batch)
        _log.warning("notifies_not_kept", count=len(batch), exc_info=True)


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    names = {name: name.lower() for name in headers}
    return {
        low: headers[name][:_MAX_HEADER]
        for name, low in names.items()
        if low in _KEPT_HEADERS or low.startswith(_KEPT_PREFIX)
    }
