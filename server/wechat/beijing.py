"""
Beijing time, WeChat's clock, UTC+8 all the year: `yyyyMMddHHmmss` at API v2, RFC 3339 with the offset at API v3.

The offset is fixed here, so neither the machine's time zone nor a time zone database has a say.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_BEIJING: Final = timezone(timedelta(hours=8))
_DIGITS: Final = re.compile(r"[0-9]{14}")  # int() alone would take signs, blanks and the digits of other scripts
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_beijing(time_ms: int) -> str:
    """Write Unix milliseconds as `yyyyMMddHHmmss`, cut to the whole second."""
    return f"{_in_beijing(time_ms):%Y%m%d%H%M%S}"


def to_beijing_text(time_ms: int) -> str:
    """Write Unix milliseconds for people: `yyyy-MM-dd HH:mm:ss`."""
    moment = _EPOCH + timedelta(seconds=time_ms // 1000)
    return f"{moment.astimezone(_BEIJING):%Y-%m-%d %H:%M:%S}"


def from_beijing(text: str) -> int:
    """
    Read `yyyyMMddHHmmss` as Unix milliseconds.

    Raises:
        ValueError: No such moment.
    """
    if not _DIGITS.fullmatch(text):
        raise ValueError("not yyyyMMddHHmmss")
    return int(datetime.fromisoformat(f"{text[:8]}T{text[8:]}+08:00").timestamp()) * 1000


def to_rfc3339(time_ms: int) -> str:
    """Write Unix milliseconds as `yyyy-MM-ddTHH:mm:ss+08:00`, cut to the whole second."""
    return _in_beijing(time_ms).isoformat()


def from_rfc3339(text: str) -> int:
    """
    Read a time with its offset, whichever that is, as Unix milliseconds.

    Raises:
        ValueError: No such moment.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("not RFC 3339")
    return int((datetime.fromisoformat(text) - _EPOCH) / timedelta(milliseconds=1))


def _in_beijing(time_ms: int) -> datetime:
    return (_EPOCH + timedelta(seconds=time_ms // 1000)).astimezone(_BEIJING)
