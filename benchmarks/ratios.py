"""How two servers compare that took turns: the maths, and nothing that measures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol


class Bound(Protocol):
    """What a number was asked to be."""

    def holds(self, value: float) -> bool: ...


@dataclass(frozen=True)
class AtLeast:
    value: float

    def holds(self, value: float) -> bool:
        return value >= self.value

    def __str__(self) -> str:
        return f"≥ {self.value:g}"


@dataclass(frozen=True)
class AtMost:
    value: float

    def holds(self, value: float) -> bool:
        return value <= self.value

    def __str__(self) -> str:
        return f"≤ {self.value:g}"


@dataclass(frozen=True)
class Asked:
    """One row of the budget: what is loaded, what it is held against, and what was asked (nothing: only shown)."""

    load: str
    against: str
    bound: AtLeast | AtMost | None
    unit: str = "×"


@dataclass(frozen=True)
class Outcome:
    """
    What became of a row. `reached` is None where it could not be measured, and `said` then why.

    `slices` are the numbers the ratio was made of, by server, in their order; `driver_busy` is the largest share of a
    slice in which the driver itself was at work.
    """

    asked: Asked
    reached: float | None
    said: str = ""
    slices: dict[str, list[float]] = field(default_factory=dict)
    driver_busy: float = 0.0

    @property
    def verdict(self) -> str:
        if self.reached is None:
            return "not measured"
        if self.asked.bound is None:
            return ""
        return "held" if self.asked.bound.holds(self.reached) else "NOT held"

    @property
    def is_missed(self) -> bool:
        return self.verdict in ("not measured", "NOT held")


def ratios(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """
    Return slice by slice how many times theirs mine is.

    Raises:
        ValueError: They did not take the same number of turns, or a slice measured nothing.
    """
    if len(mine) != len(theirs) or not mine:
        raise ValueError(f"{len(mine)} slices against {len(theirs)}")
    if min(*mine, *theirs) <= 0:
        raise ValueError("a slice measured nothing")
    return [one / other for one, other in zip(mine, theirs, strict=True)]


def median_ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """
    Return the median of the ratios of neighbouring slices: noise that lasts longer than two of them cancels out.

    Raises:
        ValueError: As `ratios`.
    """
    return median(ratios(mine, theirs))
