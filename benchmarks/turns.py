"""Servers taking turns at one load, so that what the machine does meanwhile hits all of them alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.budget_sizes import Sizes
from benchmarks.contestant import Contestant
from benchmarks.daifu_process import Shop
from benchmarks.measures import Measured
from benchmarks.peer_process import Peer, a_peer
from benchmarks.ratios import Asked, Outcome, median_ratio

Measure = Callable[[Contestant], Measured]
Turns = Mapping[str, Sequence[Measured]]


@dataclass(frozen=True)
class Bench:
    """What every row is given. `python` is the interpreter of the peers; `track` shows how far a row is."""

    shop: Shop
    folder: Path
    python: str
    sizes: Sizes
    track: Callable[[Iterable[int], str], Iterable[int]]

    def peer(self, peer: Peer, *, orders: int) -> AbstractContextManager[Contestant]:
        return a_peer(peer, orders=orders, merchant=self.shop.merchant, python=self.python)

    def turns(self, load: str, contestants: Sequence[Contestant], measure: Measure) -> Turns:
        """
        Return what was measured of each, by name; every second turn goes the other way round.

        The first turn is thrown away, so that nothing is done for the first time in one that counts.
        """
        came: dict[str, list[Measured]] = {contestant.name: [] for contestant in contestants}
        for turn in self.track(range(self.sizes.slices + 1), load):
            for contestant in contestants if turn % 2 else reversed(contestants):
                measured = measure(contestant)
                if turn:
                    came[contestant.name].append(measured)
        return came


def compared(asked: Asked, turns: Turns, mine: Contestant, other: Contestant) -> Outcome:
    """Return how many times the other's number mine is, as the median over their turns."""
    ours, theirs = (_values(turns[each.name]) for each in (mine, other))
    said = f"{mine.name} {median(ours):,.4g}, {other.name} {median(theirs):,.4g}"
    slices = {mine.name: ours, other.name: theirs}
    busy = max(each.busy for each in (*turns[mine.name], *turns[other.name]))
    return Outcome(asked, median_ratio(ours, theirs), said, slices, busy)


def alone(asked: Asked, turns: Turns, mine: Contestant, *, scale: float = 1.0) -> Outcome:
    """Return the median of what was measured of one server, `scale` times."""
    values = [each.value * scale for each in turns[mine.name]]
    return Outcome(asked, median(values), "", {mine.name: values})


def _values(measured: Sequence[Measured]) -> list[float]:
    return [each.value for each in measured]
