"""What was measured, as text."""

from collections import Counter
from collections.abc import Sequence
from statistics import quantiles
from typing import NamedTuple

from rich.table import Table

from benchmarks.load import Sent

BIN_S = 0.5
WIDTH = 60


class Row(NamedTuple):
    """Some of the notifies, and what they have in common."""

    name: str
    sent: Sequence[Sent]


def table(rows: Sequence[Row]) -> Table:
    """Return a line for each row; times run from when a notify was due, in ms."""
    shown = Table("", "sent", "SUCCESS", "failed", "answer p50", "p99", "frame p50", "p99", "max ms")
    for name, sent in rows:
        success = sum(not each.failure for each in sent)
        answers = [each.answer_ms for each in sent if each.answer_ms is not None]
        frames = [each.frame_ms for each in sent if each.frame_ms is not None]
        counts = (str(len(sent)), str(success), str(len(sent) - success))
        times = (percentile(answers, 50), percentile(answers, 99), percentile(frames, 50), percentile(frames, 99))
        shown.add_row(name, *counts, *(f"{time_ms:.1f}" for time_ms in times), f"{max(frames, default=0):.1f}")
    return shown


def failures(sent: Sequence[Sent]) -> str:
    """Return how many failed, and the most frequent reasons."""
    reasons = Counter(each.failure for each in sent if each.failure)
    named = "".join(f"\n  {count} x {reason}" for reason, count in reasons.most_common(5))
    return f"{reasons.total()} notifies failed{named}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return this percentile; 0 of nothing."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def latest_ms(sent: Sequence[Sent]) -> float:
    """Return how long the page that waited longest waited for its frame."""
    return max((each.frame_ms for each in sent if each.frame_ms is not None), default=0.0)


def histogram(times_s: Sequence[float]) -> str:
    """Return a bar for each `BIN_S`, from the first that holds anything to the last."""
    counts: dict[int, int] = {}
    for time_s in times_s:
        counts[int(time_s / BIN_S)] = counts.get(int(time_s / BIN_S), 0) + 1
    if not counts:
        return ""
    tallest = max(counts.values())
    bins = range(min(counts), max(counts) + 1)
    return "\n".join(
        f"{number * BIN_S:5.1f} s {counts.get(number, 0):5} {'#' * round(WIDTH * counts.get(number, 0) / tallest)}"
        for number in bins
    )
