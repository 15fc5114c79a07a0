"""An account's stable access token and its jsapi_ticket: made, renewed, forced and ended on the clock."""

import secrets
from typing import Final

import msgspec

from sandbox.clock import Clock
from sandbox.logins import LoginRefused
from sandbox.records import Records

LIFE_S: Final = 7200
RENEWED_BEFORE_END_S: Final = 300
FETCHES_A_DAY: Final = 500_000
FORCES_A_DAY: Final = 20
FORCE_GAP_S: Final = 30
_DAY_MS: Final = 86_400_000
_BEIJING_MS: Final = 8 * 3_600_000


class Issued(msgspec.Struct, frozen=True):
    value: str
    ends_at_ms: float


class Used(msgspec.Struct, frozen=True):
    """How often it was asked on one day in Beijing, and forced, and when forced last."""

    day: int = 0
    fetches: int = 0
    forces: int = 0
    forced_at_ms: float = 0


class Tokens:
    """
    A token that was renewed by itself lives on beside the new one to its end; a forced renewal kills it at once.

    Args:
        kind: Under which name the account's token is kept.
    """

    def __init__(self, records: Records, clock: Clock, *, kind: str = "stable_token") -> None:
        self._records = records
        self._clock = clock
        self._kind = kind

    def stable_token(self, *, force: bool) -> tuple[str, int]:
        """
        Return the token and for how many more seconds it is good.

        Raises:
            LoginRefused: 45009 when the day's quota is used up, 45011 when forced again within 30 s.
        """
        now_ms = self._clock.now_ms()
        self._count(now_ms, force=force)
        newest = self._records.get(self._kind, "newest", Issued)
        renewed_from_ms = now_ms + RENEWED_BEFORE_END_S * 1000
        if newest is None or force or newest.ends_at_ms <= renewed_from_ms:
            before = None if force else newest
            newest = self._issue(self._kind, now_ms)
            self._records.put(self._kind, "before", before or Issued("", 0))
        return newest.value, int((newest.ends_at_ms - now_ms) / 1000)

    def ticket(self) -> tuple[str, int]:
        """Return the jsapi_ticket and for how many more seconds it is good."""
        now_ms = self._clock.now_ms()
        newest = self.current_ticket() or self._issue("jsapi_ticket", now_ms)
        return newest.value, int((newest.ends_at_ms - now_ms) / 1000)

    def current_ticket(self) -> Issued | None:
        """Return the ticket pages may be signed with, if somebody has asked for it."""
        issued = self._records.get("jsapi_ticket", "newest", Issued)
        return issued if issued is not None and issued.ends_at_ms > self._clock.now_ms() + 1000 else None

    def check(self, access_token: str) -> None:
        """
        Return if this token is good.

        Raises:
            LoginRefused: 41001 missing, 42001 ended, 40001 another one or none of ours.
        """
        if not access_token:
            raise LoginRefused(41001, "access_token missing")
        for name in ("newest", "before"):
            issued = self._records.get(self._kind, name, Issued)
            if issued is not None and secrets.compare_digest(issued.value.encode(), access_token.encode()):
                if issued.ends_at_ms <= self._clock.now_ms():
                    raise LoginRefused(42001, "access_token expired")
                return
        raise LoginRefused(40001, "invalid credential, access_token is invalid or not latest")

    def _issue(self, kind: str, now_ms: float) -> Issued:
        issued = Issued(secrets.token_urlsafe(96), now_ms + LIFE_S * 1000)
        self._records.put(kind, "newest", issued)
        return issued

    def _count(self, now_ms: float, *, force: bool) -> None:
        used = self._records.get(self._kind, "used", Used) or Used()
        day = int((now_ms + _BEIJING_MS) // _DAY_MS)
        if used.day != day:
            used = Used(day=day, forced_at_ms=used.forced_at_ms)
        if used.fetches >= FETCHES_A_DAY or (force and used.forces >= FORCES_A_DAY):
            raise LoginRefused(45009, "reach max api daily quota limit")
        if force and now_ms < used.forced_at_ms + FORCE_GAP_S * 1000:
            raise LoginRefused(45011, "api minute-quota reach limit")
        used = msgspec.structs.replace(
            used,
            fetches=used.fetches + 1,
            forces=used.forces + force,
            forced_at_ms=now_ms if force else used.forced_at_ms,
        )
        self._records.put(self._kind, "used", used)
