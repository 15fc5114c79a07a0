"""How many pages may watch at once: from one person, from one address, on this process."""

from collections import Counter
from typing import Final

from handlers.problems import ApiError
from settings import Settings

RETRY_AFTER_S: Final = 30


class Admission:
    """Counts watchers, so that no single person, network or crowd can take all there is."""

    def __init__(self, settings: Settings) -> None:
        self._per_person = settings.watch_max_per_person
        self._per_address = settings.watch_max_per_address
        self._per_process = settings.watch_max_per_process
        self._people: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._all = 0

    def check(self, openid: str, address: str) -> None:
        """
        Return if there is room for one more.

        Raises:
            ApiError: 429 for a person or an address with too many, 503 when the process is full.
        """
        if self._all >= self._per_process:
            raise ApiError(503, "too_many_watchers", retry_after_s=RETRY_AFTER_S)
        if self._people[openid] >= self._per_person or self._addresses[address] >= self._per_address:
            raise ApiError(429, "too_many_watchers", retry_after_s=RETRY_AFTER_S)

    def let_in(self, openid: str, address: str) -> None:
        """
        Count one more watcher.

        Raises:
            ApiError: As `check`.
        """
        self.check(openid, address)
        self._count(openid, address, 1)

    def let_go(self, openid: str, address: str) -> None:
        """Count one less; once for each that was let in."""
        self._count(openid, address, -1)

    def _count(self, openid: str, address: str, change: int) -> None:
        self._all += change
        for counter, key in ((self._people, openid), (self._addresses, address)):
            counter[key] += change
            if not counter[key]:
                del counter[key]
