"""What `wx.login` of a mini-program hands out."""

import secrets
from typing import Final

import msgspec

from sandbox.clock import Clock
from sandbox.logins import LoginRefused
from sandbox.records import Records

CODE_LIFE_S: Final = 300


class JsCode(msgspec.Struct, frozen=True):
    openid: str
    expires_at_ms: float
    used: bool = False


class JsCodes:
    """Codes work once and for five minutes; they outlive the process."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    def issue(self, openid: str) -> str:
        code = secrets.token_urlsafe(24)
        self._records.put("js_code", code, JsCode(openid, self._clock.now_ms() + CODE_LIFE_S * 1000))
        return code

    def redeem(self, code: str) -> str:
        """
        Return whose code this is; it is spent.

        Raises:
            LoginRefused: 40029 for a false or expired code, 40163 for a used one.
        """
        known = self._records.get("js_code", code, JsCode)
        if known is not None and known.used:
            raise LoginRefused(40163, "code been used")
        if known is None or known.expires_at_ms <= self._clock.now_ms():
            raise LoginRefused(40029, "invalid code")
        self._records.put("js_code", code, msgspec.structs.replace(known, used=True))
        return known.openid
