"""
Beijing time, the only clock API v2 writes: `yyyyMMddHHmmss`, UTC+8 all the year.

The offset is fixed here, so neither the machine's time zone nor a time zone database has a say.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_BEIJING: Final = timezone(timedelta(hours=8))
_DIGITS: Final = re.compile(r"[0-9]{14}")  # int() alone would take signs, blanks and the digits of other scripts
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_beijing(time_ms: int) -> str:
    """Write Unix milliseconds as `yyyyMMddHHmmss`, cut to the whole second."""
    moment = _EPOCH + timedelta(seconds=time_ms // 1000)
    return f"{moment.astimezone(_BEIJING):%Y%m%d%H%M%S}"


def from_beijing(text: str) -> int:
    """
    Read `yyyyMMddHHmmss` as Unix milliseconds.

    Raises:
        ValueError: No such moment.
    """
    if not _DIGITS.fullmatch(text):
        raise ValueError("not yyyyMMddHHmmss")
    return int(datetime.fromisoformat(f"{text[:8]}T{text[8:]}+08:00").timestamp()) * 1000
