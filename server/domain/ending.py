"""When a certificate ends, and when a person has to hear of it."""

from typing import Final

from msgspec import Struct

ALARM_DAYS: Final = (0, 1, 7, 30)
_DAY_MS: Final = 86_400_000


class Ending(Struct, frozen=True):
    """A certificate in use: whose it is, as a word of ours, its serial number, and when it ends."""

    whose: str
    serial_no: str
    ends_at_ms: int

    def days_left(self, now_ms: int) -> float:
        """Return how many days it is still good for; below zero once it has ended."""
        return (self.ends_at_ms - now_ms) / _DAY_MS


def alarm_due(days_left: float) -> int | None:
    """Return the last of `ALARM_DAYS` that has come with so many days left; None while it is too early for any."""
    return next((days for days in ALARM_DAYS if days_left <= days), None)
