"""How large a run of the budget is."""

from dataclasses import dataclass
from typing import Final

from benchmarks.measures import FIRST_PAGES

PACE: Final = 400


@dataclass(frozen=True)
class Sizes:
    """How much of everything. Seconds are of one slice; counts are of one slice too, unless they say otherwise."""

    slices: int
    notifies: int
    paced_s: float
    read_s: float
    watchers_of_one: int
    idle_pages: int
    reconnects: int
    mongo_notifies: int = 0
    grown_orders: tuple[int, int] = (0, 0)
    grown_pages: tuple[int, int] = (0, 0)

    @property
    def turns(self) -> int:
        """One more than counts: the first is thrown away, so that nothing is done for the first time."""
        return self.slices + 1

    @property
    def orders(self) -> int:
        """What one server needs for every load."""
        needed = self.turns * (2 * self.notifies + int(PACE * self.paced_s) + 1)
        return max(needed, self.reconnects, self.idle_pages + FIRST_PAGES)


FULL: Final = Sizes(
    slices=7,
    notifies=2000,
    paced_s=2.0,
    read_s=1.0,
    watchers_of_one=1000,
    idle_pages=10_000,
    reconnects=10_000,
    mongo_notifies=400,
    grown_orders=(10_000, 1_000_000),
    grown_pages=(100, 10_000),
)
QUICK: Final = Sizes(
    slices=3, notifies=600, paced_s=0.5, read_s=0.4, watchers_of_one=1000, idle_pages=2000, reconnects=2000
)
