"""
What one day's orders came to: everything the statistics say, as counts that can be added up over days.

An order belongs to the Beijing day in its id. How many *different* people there were over several days is no sum; but
each initiator of a day is counted under the day of his order before, and whoever had none since the window began is
counted once: `seeds` of that shape add up exactly for every window.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from msgspec import Struct

from server.domain.days import day_of
from server.domain.document import Order, Payment, balance
from server.domain.events import Evidence, RefundState

# Upper ends of the classes of delay, in milliseconds; the last class has none. WeChat Pay API v2 writes the time of
# success in whole seconds, so that finer classes would tell of nothing.
DELAYS_MS: Final = (1000, 2000, 3000, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 3_600_000)

# So long after an order's time is over the money of its last attempt has come, or been heard of.
LAST_ATTEMPT_MS: Final = 10 * 60_000

MAX_PARKED: Final = 50  # listed of one day; all are counted
NEVER: Final = ""  # the day before an initiator's first order

K = TypeVar("K")


class TraceKind(StrEnum):
    """What became of an order's link before anybody paid: written once for each order and person."""

    SHARED = "shared"  # the initiator took the link
    OPENED = "opened"  # somebody else looked


class Trace(Struct, frozen=True):
    """That this person did this to the link of this order. A page that is opened again leaves no other."""

    order_id: str
    kind: TraceKind
    openid: str
    at_ms: int

    @property
    def trace_id(self) -> str:
        return f"{self.order_id}:{self.kind}:{self.openid}"


class Visitor(Struct, frozen=True):
    """Somebody who opened an order's link, and when he first did."""

    name: str
    avatar: str
    opened_at_ms: int


class Tally(Struct, frozen=True):
    """So many, worth so many fen together."""

    count: int
    amount: int


class Funnel(Struct, frozen=True, kw_only=True):
    """How many orders got how far; a later step counts for every earlier one."""

    created: int = 0
    shared: int = 0
    opened: int = 0
    started: int = 0
    paid: int = 0
    kept: int = 0


class Cohort(Struct, frozen=True, kw_only=True):
    """Of the orders old enough to be decided: how many were paid, and how many of those still keep money."""

    decided: int = 0
    paid: int = 0
    kept: int = 0


class Parked(Struct, frozen=True):
    """An effect that waits for a person; `reason` is a short code."""

    order_id: str
    effect: str
    reason: str
    tries: int


class DayStats(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    The roll-up of one day's orders, as they stood at `as_of_ms`. Money in fen.

    `payments` are by the day of WeChat's time of success. `delays` counts notified payments by `DELAYS_MS`: from that
    time until they were settled. `seeds` counts the day's initiators by the day of their order before, `newcomers` the
    people first seen on this day whom a shared order brought to pay.
    """

    day: str
    as_of_ms: int
    funnel: Funnel = Funnel()
    cohort: Cohort = Cohort()
    payments: dict[str, Tally] = {}
    kept_amount: int = 0
    evidence: dict[Evidence, int] = {}
    delays: tuple[int, ...] = (0,) * (len(DELAYS_MS) + 1)
    refunds: dict[RefundState, Tally] = {}
    parked: tuple[Parked, ...] = ()
    parked_count: int = 0
    seeds: dict[str, int] = {}
    newcomers: int = 0


def is_decided(order: Order, now_ms: int) -> bool:
    """
    Has this order had its whole time?

    By its age, and not by its state: if quick successes counted before slow failures could, P would look too good.
    """
    return order.expires_at_ms + LAST_ATTEMPT_MS <= now_ms


class DayBook:
    """
    Adds up the orders of one day, one by one.

    `initiators` and `brought` (payer's openid -> initiator's) are who appeared, for whoever looks up what more is known
    of them.
    """

    def __init__(self, day: str, *, as_of_ms: int) -> None:
        self.day = day
        self.initiators: set[str] = set()
        self.brought: dict[str, str] = {}
        self._as_of_ms = as_of_ms
        self._steps: Counter[str] = Counter()
        self._cohort: Counter[str] = Counter()
        self._payments: defaultdict[str, list[int]] = defaultdict(list)
        self._refunds: defaultdict[RefundState, list[int]] = defaultdict(list)
        self._evidence: Counter[Evidence] = Counter()
        self._delays = [0] * (len(DELAYS_MS) + 1)
        self._kept_amount = 0
        self._parked: list[Parked] = []

    def add(self, order: Order, traces: frozenset[TraceKind]) -> None:
        """Count this order, whose link left these traces."""
        paid = [payment for payment in order.payments if payment.is_paid]
        kept = balance(order).kept
        self._kept_amount += kept
        self._count_steps(order, traces, is_kept=kept > 0)
        for payment in paid:
            self._count_payment(payment)
        self.initiators.add(order.initiator.openid)
        for payment in paid:
            if payment.share is not None and payment.payer.openid != order.initiator.openid:
                self.brought.setdefault(payment.payer.openid, order.initiator.openid)
        self._parked += (Parked(order.order_id, e.key, e.reason, e.tries) for e in order.effects if e.parked)

    def _count_steps(self, order: Order, traces: frozenset[TraceKind], *, is_kept: bool) -> None:
        is_paid = order.paid_at_ms is not None
        is_started = bool(order.payments)
        is_opened = is_started or TraceKind.OPENED in traces
        self._steps["created"] += 1
        self._steps["shared"] += is_opened or TraceKind.SHARED in traces
        self._steps["opened"] += is_opened
        self._steps["started"] += is_started
        self._steps["paid"] += is_paid
        self._steps["kept"] += is_paid and is_kept
        if is_decided(order, self._as_of_ms):
            self._cohort["decided"] += 1
            self._cohort["paid"] += is_paid
            self._cohort["kept"] += is_paid and is_kept

    def _count_payment(self, payment: Payment) -> None:
        paid_at_ms = payment.paid_at_ms or 0
        self._payments[day_of(paid_at_ms)].append(payment.amount)
        if payment.evidence is not None:
            self._evidence[payment.evidence] += 1
        if payment.evidence is Evidence.NOTIFY and payment.settled_at_ms is not None:
            self._delays[bisect_right(DELAYS_MS, payment.settled_at_ms - paid_at_ms)] += 1
        for refund in payment.refunds:
            if refund.counts:
                self._refunds[refund.state].append(refund.amount)

    def result(self, *, days_before: Mapping[str, str], newcomers: int) -> DayStats:
        """
        Return what it comes to.

        Args:
            days_before: By initiator the day of his last order before this day; who had none is missing.
        """
        return DayStats(
            day=self.day,
            as_of_ms=self._as_of_ms,
            funnel=Funnel(**self._steps),
            cohort=Cohort(**self._cohort),
            payments=_tallies(self._payments),
            kept_amount=self._kept_amount,
            evidence=dict(self._evidence),
            delays=tuple(self._delays),
            refunds=_tallies(self._refunds),
            parked=tuple(self._parked[:MAX_PARKED]),
            parked_count=len(self._parked),
            seeds=dict(Counter(days_before.get(openid, NEVER) for openid in self.initiators)),
            newcomers=newcomers,
        )


def _tallies(amounts: Mapping[K, Sequence[int]]) -> dict[K, Tally]:
    return {key: Tally(len(found), sum(found)) for key, found in amounts.items()}
