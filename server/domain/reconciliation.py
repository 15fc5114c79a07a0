"""What came of comparing one day with WeChat's bill."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from server.domain.reconcile import Finding

# So many lines are kept with a report; the counts are of all of them.
MAX_LINES: Final = 500


class Outcome(StrEnum):
    CURED = "cured"  # here is now what WeChat says
    CONFIRMED = "confirmed"  # WeChat says what we say; only the bill does not
    PERSON = "person"  # somebody has to look
    UNKNOWN = "unknown"  # WeChat did not answer: to be run again
    LEFT = "left"  # nothing was tried


class Line(Struct, frozen=True, omit_defaults=True):
    """One difference and what came of it; `reason` is a short code."""

    finding: Finding
    outcome: Outcome
    reason: str = ""


class Reconciliation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    The report of a day in Beijing (`2026-11-21`): how many rows and orders were compared, and every difference.

    `counts` says how often each difference (`not_paid_here`) came to each outcome (`cured`).
    """

    day: str
    finished_at_ms: int
    rows: int
    orders: int
    counts: Mapping[str, Mapping[str, int]] = {}
    lines: tuple[Line, ...] = ()

    def total(self, outcome: Outcome) -> int:
        return sum(counts.get(outcome, 0) for counts in self.counts.values())


def count(lines: Sequence[Line]) -> dict[str, dict[str, int]]:
    """Return how often each difference came to each outcome."""
    pairs = Counter((line.finding.difference.value, line.outcome.value) for line in lines)
    counts: dict[str, dict[str, int]] = {}
    for (difference, outcome), times in pairs.items():
        counts.setdefault(difference, {})[outcome] = times
    return counts
