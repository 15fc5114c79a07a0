"""Certificates end, and a person has to renew them: he hears of it thirty days, a week and a day before, and then."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from server.domain.ending import ALARM_DAYS, Ending, alarm_due
from server.ports import Cache, Clock
from server.tasks import end

LOOK_EVERY_S: Final = 6 * 3600.0
_REMEMBER_S: Final = (max(ALARM_DAYS) + 1) * 86_400  # until the next of those days has come for sure

log = structlog.get_logger()


class CertificateWatch:
    """
    Looks several times a day, from `start` to `aclose`, in every process; of many one alarms, once for each certificate
    and number of days.

    Args:
        certificates: Returns those in use just now, None for one there is not.
    """

    def __init__(self, certificates: Callable[[], Iterable[Ending | None]], *, cache: Cache, clock: Clock) -> None:
        self._certificates = certificates
        self._cache = cache
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_until_closed())

    async def aclose(self) -> None:
        """Stop at once. Safe to repeat."""
        if self._looking is not None:
            await end([self._looking])

    def days_left(self) -> dict[str, float]:
        """Return how many days each certificate is still good for, by whose it is."""
        now_ms = self._clock.now_ms()
        return {each.whose: each.days_left(now_ms) for each in filter(None, self._certificates())}

    async def look(self) -> None:
        """Alarm for each certificate that is near its end, unless somebody has."""
        now_ms = self._clock.now_ms()
        for each in filter(None, self._certificates()):
            days_left = each.days_left(now_ms)
            days = alarm_due(days_left)
            if days is not None and await self._is_first(each, days):
                log.critical("certificate_ends", whose=each.whose, serial_no=each.serial_no, days_left=int(days_left))

    async def _is_first(self, ending: Ending, days: int) -> bool:
        key = f"certificate_ends:{ending.whose}:{ending.serial_no}:{days}"
        return await self._cache.add(key, "1", ttl_s=_REMEMBER_S)

    async def _look_until_closed(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("certificates_not_looked_at")
            await asyncio.sleep(LOOK_EVERY_S)
