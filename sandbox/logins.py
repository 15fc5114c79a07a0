"""OAuth codes, good once and for five minutes, and the access tokens they are exchanged for."""

import secrets
from typing import Final

import msgspec

from sandbox.clock import Clock
from sandbox.records import Records

SCOPES: Final = frozenset({"snsapi_base", "snsapi_userinfo"})
CODE_LIFE_S: Final = 300
TOKEN_LIFE_S: Final = 7200


class LoginRefused(Exception):
    """WeChat's errcode and errmsg."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errcode, errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


class Grant(msgspec.Struct, frozen=True):
    """What a code or an access token stands for; `used` is only ever true of a code."""

    openid: str
    scope: str
    expires_at_ms: float
    used: bool = False
    is_snapshot: bool = False


class Logins:
    """Codes and tokens outlive the process; those long past their time are forgotten at the next start."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._codes = self._load("code")
        self._tokens = self._load("token")

    def issue_code(self, openid: str, scope: str) -> str:
        return self._issue(Grant(openid, scope, self._after(CODE_LIFE_S)))

    def issue_snapshot_code(self, scope: str) -> str:
        """Return a code for a visitor in snapshot mode, under an openid that is nobody's."""
        openid = "o" + secrets.token_urlsafe(20)
        return self._issue(Grant(openid, scope, self._after(CODE_LIFE_S), is_snapshot=True))

    def _issue(self, grant: Grant) -> str:
        code = secrets.token_hex(16)
        self._put("code", self._codes, code, grant)
        return code

    def redeem(self, code: str) -> tuple[str, Grant]:
        """
        Return a fresh access token and what it stands for; the code is spent.

        Raises:
            LoginRefused: 40029 for a false or expired code, 40163 for a used one.
        """
        grant = self._codes.get(code)
        if grant is None or (not grant.used and self._is_over(grant)):
            raise LoginRefused(40029, "invalid code")
        if grant.used:
            raise LoginRefused(40163, "code been used")
        self._put("code", self._codes, code, msgspec.structs.replace(grant, used=True))
        access_token = secrets.token_urlsafe(48)
        token = Grant(grant.openid, grant.scope, self._after(TOKEN_LIFE_S), is_snapshot=grant.is_snapshot)
        self._put("token", self._tokens, access_token, token)
        return access_token, token

    def check(self, access_token: str, openid: str) -> Grant:
        """
        Return what this openid's token stands for.

        Raises:
            LoginRefused: 41001, 40014, 42001 about the token, 40003 about the openid.
        """
        if not access_token:
            raise LoginRefused(41001, "access_token missing")
        token = self._tokens.get(access_token)
        if token is None:
            raise LoginRefused(40014, "invalid access_token")
        if self._is_over(token):
            raise LoginRefused(42001, "access_token expired")
        if token.openid != openid:
            raise LoginRefused(40003, "invalid openid")
        return token

    def _after(self, life_s: float) -> float:
        return self._clock.now_ms() + life_s * 1000

    def _is_over(self, grant: Grant) -> bool:
        return self._clock.now_ms() >= grant.expires_at_ms

    def _put(self, kind: str, where: dict[str, Grant], key: str, grant: Grant) -> None:
        where[key] = grant
        self._records.put(kind, key, grant)

    def _load(self, kind: str) -> dict[str, Grant]:
        kept = dict(self._records.all(kind, Grant))
        long_ago_ms = self._clock.now_ms() - TOKEN_LIFE_S * 1000
        for key in [key for key, grant in kept.items() if grant.expires_at_ms < long_ago_ms]:
            del kept[key]
            self._records.delete(kind, key)
        return kept
