"""The simulator's own time: real time plus what people have advanced it by, and WeChat's Beijing notation of it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from sandbox.records import Records

BEIJING: Final = timezone(timedelta(hours=8))
_BEIJING_FORMAT: Final = "%Y%m%d%H%M%S"


class Clock:
    """Whoever sleeps on this clock wakes at once when it is advanced past his time."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._offset_ms = records.get("clock", "offset_ms", float) or 0.0
        self._advanced = asyncio.Event()

    def now_ms(self) -> float:
        """Return Unix milliseconds with their fraction."""
        return time.time() * 1000 + self._offset_ms

    def real_s(self) -> float:
        """Return what the merchant's own clock says, Unix seconds: advancing this one does not move his."""
        return time.time()

    def advance(self, by_s: float) -> None:
        """Move the clock on for good: the offset outlives the process when there is a data directory."""
        self._offset_ms += by_s * 1000
        self._records.put("clock", "offset_ms", self._offset_ms)
        self._advanced.set()
        self._advanced = asyncio.Event()

    async def sleep_until(self, due_ms: float) -> None:
        """Return when `now_ms()` has reached `due_ms`."""
        while (left_ms := due_ms - self.now_ms()) > 0:
            try:
                async with asyncio.timeout(left_ms / 1000):
                    await self._advanced.wait()
            except TimeoutError:
                continue

    async def sleep(self, for_s: float) -> None:
        """Return after `for_s` seconds of this clock."""
        await self.sleep_until(self.now_ms() + for_s * 1000)


def beijing_time(at_ms: float) -> str:
    """Write Unix milliseconds as WeChat does: yyyyMMddHHmmss at UTC+8."""
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).strftime(_BEIJING_FORMAT)


def beijing_timestamp(at_ms: float) -> str:
    """Write Unix milliseconds as refunds and bills do: yyyy-MM-dd HH:mm:ss at UTC+8."""
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def read_beijing_time(text: str) -> float:
    """
    Return the Unix milliseconds of yyyyMMddHHmmss at UTC+8.

    Raises:
        ValueError: Not fourteen ASCII digits, or no such moment.
    """
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return datetime.strptime(text, _BEIJING_FORMAT).replace(tzinfo=BEIJING).astimezone(UTC).timestamp() * 1000
