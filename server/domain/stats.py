"""
The statistics of a window of days, added up from the days' roll-ups.

P = paid / created, by the day of creation and only over orders old enough to be decided. K = ln(new) / ln(seed), where
*seed* is the number of different initiators in the window and *new* the number of people first seen in the window whom
a shared order brought to pay. What cannot be said is None, never 0: "not enough data".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from server.domain.day_stats import DELAYS_MS, Cohort, DayStats, Funnel, Parked, Tally
from server.domain.days import day_after, days_from
from server.domain.events import Evidence, RefundState

# An order is paid within its longest life; days before the window may hold orders that were paid in it.
REACH_DAYS: Final = 8
MAX_PARKED: Final = 100

K = TypeVar("K")


class Success(Struct, frozen=True):
    """P of one cohort: `gross` counts every paid order, `net` only those that still keep money."""

    decided: int
    paid: int
    kept: int
    gross: float | None
    net: float | None


class Fission(Struct, frozen=True):
    """`k` is None for seed <= 1 or new = 0; `ratio` is new / seed."""

    seed: int
    new: int
    k: float | None
    ratio: float | None


class Delay(Struct, frozen=True):
    """
    How long after WeChat's time of success notified payments were settled: upper bounds, None beyond an hour.

    `classes` counts payments by `DELAYS_MS`, the last one those beyond.
    """

    count: int
    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    classes: tuple[int, ...]


class Day(Struct, frozen=True, kw_only=True):
    """One row of the time line: orders by the day of their making, payments by the day of their success."""

    day: str
    funnel: Funnel
    success: Success
    payments: Tally


class Report(Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """
    Money in fen. `as_of_ms` is when the oldest of the days' roll-ups was made, None when there is none.

    Everything but `payments` of the days speaks of the orders made in the window, as they stand now.
    """

    first: str
    last: str
    as_of_ms: int | None
    funnel: Funnel
    success: Success
    fission: Fission
    kept_amount: int
    delay: Delay
    evidence: dict[Evidence, int]
    refunds: dict[RefundState, Tally]
    parked: tuple[Parked, ...]
    parked_count: int
    days: tuple[Day, ...]


def report(rollups: Sequence[DayStats], *, first: str, last: str) -> Report:
    """
    Add up the days from `first` to `last`.

    Args:
        rollups: Those days', and of `REACH_DAYS` before. A day without orders may be missing.
    """
    window = [day for day in rollups if first <= day.day <= last]
    return Report(
        first=first,
        last=last,
        as_of_ms=min((day.as_of_ms for day in window), default=None),
        funnel=_sum(Funnel, [day.funnel for day in window]),
        success=success(_sum(Cohort, [day.cohort for day in window])),
        fission=fission(seed=_seed(window, first), new=sum(day.newcomers for day in window)),
        kept_amount=sum(day.kept_amount for day in window),
        delay=delay([sum(counts) for counts in zip(*(day.delays for day in window), strict=True)]),
        evidence=_counts(day.evidence for day in window),
        refunds=_tallies(day.refunds for day in window),
        parked=tuple(parked for day in reversed(window) for parked in day.parked)[:MAX_PARKED],
        parked_count=sum(day.parked_count for day in window),
        days=_days(rollups, first, last),
    )


def reach(first: str) -> str:
    """Return the first day whose roll-up a window that begins with this one needs."""
    return day_after(first, -REACH_DAYS)


def success(cohort: Cohort) -> Success:
    """Return P of these orders."""
    return Success(
        decided=cohort.decided,
        paid=cohort.paid,
        kept=cohort.kept,
        gross=_ratio(cohort.paid, cohort.decided),
        net=_ratio(cohort.kept, cohort.decided),
    )


def fission(*, seed: int, new: int) -> Fission:
    """Return K with the numbers it is made of."""
    k = math.log(new) / math.log(seed) if seed > 1 and new > 0 else None
    return Fission(seed=seed, new=new, k=k, ratio=_ratio(new, seed))


def delay(classes: Sequence[int]) -> Delay:
    """Return the quantiles of these classes: the upper end of the class each one lies in."""
    return Delay(
        count=sum(classes),
        p50_ms=_quantile(classes, 0.50),
        p95_ms=_quantile(classes, 0.95),
        p99_ms=_quantile(classes, 0.99),
        classes=tuple(classes),
    )


def _quantile(classes: Sequence[int], part: float) -> int | None:
    wanted = math.ceil(sum(classes) * part)
    seen = 0
    for end_ms, count in zip(DELAYS_MS, classes, strict=False):
        seen += count
        if count and seen >= wanted:
            return end_ms
    return None


def _seed(window: Sequence[DayStats], first: str) -> int:
    """Count each initiator on the first day of the window that has him: his order before lies before the window."""
    return sum(count for day in window for before, count in day.seeds.items() if before < first)


def _days(rollups: Sequence[DayStats], first: str, last: str) -> tuple[Day, ...]:
    by_day = {day.day: day for day in rollups}
    payments = _tallies(day.payments for day in rollups)
    return tuple(
        Day(
            day=day,
            funnel=by_day[day].funnel if day in by_day else Funnel(),
            success=success(by_day[day].cohort if day in by_day else Cohort()),
            payments=payments.get(day, Tally(0, 0)),
        )
        for day in days_from(first, last)
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


S = TypeVar("S", Funnel, Cohort)


def _sum(kind: type[S], parts: Sequence[S]) -> S:
    return kind(**{name: sum(getattr(part, name) for part in parts) for name in kind.__struct_fields__})


def _counts(parts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    total: dict[K, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total


def _tallies(parts: Iterable[Mapping[K, Tally]]) -> dict[K, Tally]:
    total: dict[K, Tally] = {}
    for part in parts:
        for key, tally in part.items():
            before = total.get(key, Tally(0, 0))
            total[key] = Tally(before.count + tally.count, before.amount + tally.amount)
    return total
