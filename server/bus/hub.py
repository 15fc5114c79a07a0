"""
The watchers on this process: one page waiting on one order is one `Watcher`.

A watcher does no I/O of its own and has no task: a transport (see `handlers/watch.py`) gives it a way to write and
tells it when a write is done. It has one slot. While a write is under way a newer state replaces the waiting one, so a
slow reader costs one frame, never a queue; a reader that takes nothing for `STALL_S` is closed and told to come back.
What is told beside the states (see `visits.py`) has a slot of its own, with the same rules.

`rev` is the only cursor: a state that is not newer than what the watcher has is dropped, so news may come doubled, late
or out of order.
"""

from collections.abc import Callable, Iterable, Iterator, KeysView
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from server.domain.document import Order
from server.domain.public_order import PublicOrder, payers_of, public_order, viewer_key
from server.metrics import Metrics
from server.ports import Clock

BEAT_S: Final = 20
STALL_S: Final = 10
SILENCE_S: Final = 60
FRESH_MS: Final = 600_000

CLOSE_TOO_SLOW: Final = 4408
CLOSE_RESTARTING: Final = 1012

log = structlog.get_logger()

SLICE: Final = 200  # watchers written to in one turn of the loop: about 10 ms

Framing = Callable[[bytes], bytes]
Frames = dict[tuple[str, Framing], bytes]  # what has been encoded, by viewer


class Transport(Protocol):
    """How a watcher's bytes leave the process."""

    @property
    def framing(self) -> Framing:
        """What turns a payload into this transport's bytes; watchers with the same one share frames."""
        ...

    def write(self, frame: bytes) -> bool:
        """Take a frame; True if it is written already, else `Watcher.written` is called when it is."""
        ...

    def ping(self) -> None:
        """Ask the peer for a sign of life; `Watcher.heard` is called when it comes."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with this close code and forget the watcher."""
        ...


class End(NamedTuple):
    """When a watcher has to go, in monotonic seconds, and what it is told then."""

    at_s: float
    code: int
    reason: str


class Watcher:
    """One page on one order. `rev` is the newest state it was given."""

    __slots__ = (
        "_aside",
        "_slot",
        "_writing_since_s",
        "end",
        "heard_at_s",
        "is_over",
        "openid",
        "order_id",
        "rev",
        "transport",
    )

    def __init__(self, *, order_id: str, openid: str, transport: Transport, end: "End | None", now_s: float) -> None:
        self.order_id = order_id
        self.end = end
        self.openid = openid
        self.transport = transport
        self.is_over = False
        self.rev = 0
        self.heard_at_s = now_s
        self._slot: bytes | None = None
        self._aside: bytes | None = None
        self._writing_since_s: float | None = None

    def offer(self, rev: int, frame: bytes, now_s: float) -> None:
        """Give it this state unless it has a newer one."""
        if rev <= self.rev:
            return
        self.rev = rev
        self._send(frame, now_s)

    def tell_aside(self, frame: bytes, now_s: float) -> None:
        """Give it what has no rev, in place of what waits of that kind; the states go first."""
        if self._writing_since_s is None:
            self._send(frame, now_s)
        else:
            self._aside = frame

    def beat(self, frame: bytes, now_s: float) -> None:
        """Give it a sign of life, unless something better is under way."""
        if self._writing_since_s is None:
            self._send(frame, now_s)
            self.transport.ping()

    def written(self, now_s: float) -> None:
        """The transport finished its write: send what came meanwhile."""
        self._writing_since_s = None
        if self._slot is not None:
            frame, self._slot = self._slot, None
            self._send(frame, now_s)
        elif self._aside is not None:
            frame, self._aside = self._aside, None
            self._send(frame, now_s)

    def heard(self, now_s: float) -> None:
        self.heard_at_s = now_s

    def fall_silent(self) -> None:
        """Let go of what waits: nothing may follow the goodbye."""
        self.is_over = True
        self._slot = self._aside = None

    def is_stalled(self, now_s: float) -> bool:
        """Has one write been under way for too long?"""
        return self._writing_since_s is not None and now_s - self._writing_since_s >= STALL_S

    def is_silent(self, now_s: float) -> bool:
        """Did the peer vanish without a word? A phone that lost its network closes nothing."""
        return now_s - self.heard_at_s >= SILENCE_S

    def _send(self, frame: bytes, now_s: float) -> None:
        if self._writing_since_s is not None:
            self._slot = frame
            return
        self._writing_since_s = now_s
        if self.transport.write(frame):
            self._writing_since_s = None


class Interest(Protocol):
    """Who is told which orders are watched on this process; called on the loop, never awaited."""

    def begin(self, order_id: str) -> None:
        """The first watcher of this order came."""
        ...

    def end(self, order_id: str) -> None:
        """The last one went."""
        ...


class VisitReader(Protocol):
    """Who shows an initiator that his link was opened; called on the loop, never awaited."""

    def ask(self, order_ids: Iterable[str]) -> None:
        """The links of these orders were opened."""
        ...

    def doubt(self, order_ids: Iterable[str]) -> None:
        """They may have been, while nothing was heard here."""
        ...


class OrderFrame(msgspec.Struct, frozen=True, tag="order", tag_field="type"):
    rev: int
    order: PublicOrder


class BeatFrame(msgspec.Struct, frozen=True, tag="beat", tag_field="type"):
    rev: int
    now_ms: int


Later = Callable[[Callable[[], None]], object]


def _now(step: Callable[[], None]) -> None:
    step()


class Hub:
    """
    All watchers of this process, by order. Everything here runs on the event loop and nothing in it awaits.

    Args:
        later: Calls a step soon, with other work in between; by default at once.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        monotonic_s: Callable[[], float],
        later: Later = _now,
        metrics: Metrics | None = None,
    ) -> None:
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._later = later
        self.now_s = monotonic_s
        """The clock watchers live by, in monotonic seconds."""
        self._watchers: dict[str, set[Watcher]] = {}
        self._beats: list[set[Watcher]] = [set() for _ in range(BEAT_S)]
        self._bucket_of: dict[Watcher, set[Watcher]] = {}
        self._second = 0
        self._interest: Interest | None = None
        self._visits: VisitReader | None = None
        self._encode = msgspec.json.Encoder().encode

    def __len__(self) -> int:
        return len(self._bucket_of)

    @property
    def watched(self) -> KeysView[str]:
        """The orders somebody watches here."""
        return self._watchers.keys()

    def report_to(self, interest: Interest) -> None:
        """Tell `interest` from now on when an order's first watcher comes and its last one goes."""
        self._interest = interest

    def report_visits_to(self, visits: VisitReader) -> None:
        """Tell `visits` from now on which orders' links may have been opened."""
        self._visits = visits

    def visited(self, order_ids: Iterable[str]) -> None:
        """Somebody opened the links of these orders."""
        if self._visits is not None:
            self._visits.ask(order_ids)

    def may_have_been_visited(self, order_ids: Iterable[str]) -> None:
        """Somebody may have opened the links of these orders while nothing was heard here."""
        if self._visits is not None:
            self._visits.doubt(order_ids)

    def watch(self, order_id: str, openid: str, transport: Transport, *, end: End | None = None) -> Watcher:
        """Begin to watch. Read the order after this and `offer_to` it, so that no state can fall between."""
        now_s = self.now_s()
        watcher = Watcher(order_id=order_id, openid=openid, transport=transport, end=end, now_s=now_s)
        if order_id not in self._watchers:
            self._watchers[order_id] = set()
            if self._interest is not None:
                self._interest.begin(order_id)
        self._watchers[order_id].add(watcher)
        # Beats are spread over the period: the bucket that was beaten last waits longest.
        bucket = self._beats[(self._second - 1) % BEAT_S]
        bucket.add(watcher)
        self._bucket_of[watcher] = bucket
        return watcher

    def forget(self, watcher: Watcher) -> None:
        """The page is gone. Safe to repeat."""
        bucket = self._bucket_of.pop(watcher, None)
        if bucket is None:
            return
        bucket.discard(watcher)
        watcher.fall_silent()
        watchers = self._watchers[watcher.order_id]
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[watcher.order_id]
            if self._interest is not None:
                self._interest.end(watcher.order_id)

    def is_news(self, order_id: str, rev: int) -> bool:
        """Is there a watcher who has not been given this rev or a newer one?"""
        return any(watcher.rev < rev for watcher in self._watchers.get(order_id, ()))

    def offer(self, order: Order) -> None:
        """
        Give this state to everybody who watches the order, a slice of them at a time.

        WeChat waits for the answer to its notify, and so do the notifies behind it: a crowd must not come first.
        """
        watchers = self._watchers.get(order.order_id)
        if watchers:
            self._later(partial(self._offer_slices, order, iter(tuple(watchers)), {}))

    def _offer_slices(self, order: Order, watchers: Iterator[Watcher], frames: Frames) -> None:
        part = tuple(islice(watchers, SLICE))
        self._offer(order, [watcher for watcher in part if watcher in self._bucket_of], frames)
        self._measure(order)
        if len(part) == SLICE:
            self._later(partial(self._offer_slices, order, watchers, frames))

    def offer_to(self, watcher: Watcher, order: Order) -> None:
        """Give this state to one watcher: the first frame after connecting."""
        self._offer(order, (watcher,), {})

    def beat_frame(self, watcher: Watcher) -> bytes:
        """Return the sign of life for this watcher: what it should have, and the server's clock."""
        return watcher.transport.framing(self._encode(BeatFrame(watcher.rev, self._clock.now_ms())))

    def tick(self) -> None:
        """Once a second: beat one bucket, close who stalled or fell silent."""
        now_s = self.now_s()
        self._second += 1
        for watcher in tuple(self._beats[self._second % BEAT_S]):
            if watcher.is_silent(now_s):
                self._end(watcher, CLOSE_TOO_SLOW, "silent")
            elif watcher.end is not None and watcher.end.at_s <= now_s:
                self._end(watcher, watcher.end.code, watcher.end.reason)
            elif watcher.rev:
                self._beat(watcher, now_s)
        for watcher in [w for w in self._bucket_of if w.is_stalled(now_s)]:
            self._end(watcher, CLOSE_TOO_SLOW, "too slow")

    def send_away(self, count: int, *, delay_ms: Callable[[], int]) -> None:
        """Close this many watchers: the process is going down. Each is told how long to wait before it comes back."""
        for watcher in tuple(islice(self._bucket_of, count)):
            self._end(watcher, CLOSE_RESTARTING, f'{{"delay_ms":{delay_ms()}}}')

    def _offer(self, order: Order, watchers: Iterable[Watcher], frames: Frames) -> None:
        now_s = self.now_s()
        payers = payers_of(order)
        for watcher in watchers:
            if order.rev <= watcher.rev:
                continue
            openid = watcher.openid
            key = (viewer_key(order, openid, payers), watcher.transport.framing)
            frame = frames.get(key)
            if frame is None:
                state = OrderFrame(order.rev, public_order(order, openid))
                frame = frames[key] = watcher.transport.framing(self._encode(state))
            self._metrics.frames.inc()
            try:
                watcher.offer(order.rev, frame, now_s)
            except Exception:
                # One broken page must not cost the others their news; it reconnects and gets the whole state.
                log.exception("watcher_failed", order_id=watcher.order_id)
                self._end(watcher, CLOSE_TOO_SLOW, "failed")

    def _measure(self, order: Order) -> None:
        """How long ago did WeChat take the money that this state shows? Only of what was booked a moment ago."""
        now_ms = self._clock.now_ms()
        booked = next((entry for entry in reversed(order.entries) if entry.kind == "paid"), None)
        if booked is not None and now_ms - booked.at_ms < FRESH_MS:
            paid_at_ms = max(p.paid_at_ms for p in order.payments if p.paid_at_ms is not None)
            self._metrics.paid_shown(order.order_id, paid_at_ms, now_ms)

    def _beat(self, watcher: Watcher, now_s: float) -> None:
        try:
            watcher.beat(self.beat_frame(watcher), now_s)
        except Exception:
            # As in `_offer`.
            log.exception("watcher_failed", order_id=watcher.order_id)
            self._end(watcher, CLOSE_TOO_SLOW, "failed")

    def _end(self, watcher: Watcher, code: int, reason: str) -> None:
        self.forget(watcher)
        self._metrics.watchers_closed.labels(str(code)).inc()
        watcher.transport.close(code, reason)
