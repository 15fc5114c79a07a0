"""Days as the statistics count them: Beijing's, from midnight to midnight, written `yyyy-mm-dd`."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

DAY_MS: Final = 86_400_000

_BEIJING_MS: Final = 8 * 3_600_000  # UTC+8 all the year
_EPOCH: Final = date(1970, 1, 1)


def day_of(time_ms: int) -> str:
    """Return the day on which this moment (Unix ms) lies."""
    return (_EPOCH + timedelta(days=(time_ms + _BEIJING_MS) // DAY_MS)).isoformat()


def day_start_ms(day: str) -> int:
    """Return the first moment of this day, Unix milliseconds."""
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()) * 1000 - _BEIJING_MS


def day_after(day: str, days: int = 1) -> str:
    """Return the day so many days later; earlier, if the number is negative."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def days_from(first: str, last: str) -> list[str]:
    """Return all days from `first` to `last`, both among them."""
    count = (date.fromisoformat(last) - date.fromisoformat(first)).days + 1
    return [day_after(first, number) for number in range(count)]
