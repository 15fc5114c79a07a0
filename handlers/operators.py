"""
Who may see the dashboard: whoever knows ADMIN_PASSWORD or, where none is set, whoever sits at this machine.

"At this machine" is asked narrowly, because a proxy in front makes everybody look so: daifu itself must be at a
loopback address, and the request must name that address and have passed through nobody's hands.
"""

import hmac
import time
from ipaddress import ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from handlers.auth import Sessions
from handlers.problems import ApiError
from server.cache.local import LocalCache
from server.ports import Cache
from settings import LOOPBACK_HOSTS, Settings

TTL_S: Final = 12 * 3600
MAX_TRIES: Final = 10
TRIES_WINDOW_S: Final = 300

_PASSED_ON: Final = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via")

Standing = Literal["in", "out", "refused"]  # "out" may log in


class Operators:
    """Checks passwords and says who is one of us."""

    def __init__(self, settings: Settings, sessions: Sessions, cache: Cache) -> None:
        self._password = settings.admin_password.get_secret_value().encode()
        self._is_public = urlsplit(settings.origin).hostname not in LOOPBACK_HOSTS
        self._sessions = sessions
        self._cache = cache
        self._own = LocalCache(time.monotonic)  # where the shared one cannot tell
        # A session ends with the password it was opened with.
        self._mark = sessions.mark_of(self._password)

    @property
    def has_password(self) -> bool:
        """Does anybody log in, and out again?"""
        return bool(self._password)

    def standing(self, request: HTTPServerRequest) -> Standing:
        """Return how the sender of this request stands to us."""
        if self._password:
            mark = self._sessions.operator_mark_of(request, ttl_s=TTL_S) or ""
            return "in" if hmac.compare_digest(mark.encode(), self._mark.encode()) else "out"
        return "in" if not self._is_public and _is_here(request) else "refused"

    async def log_in(self, password: str, address: str) -> str:
        """
        Return the cookie's value for whoever knows the password.

        Raises:
            ApiError: 403 where no password is set or this is not it; 429 after too many tries from one network.
        """
        if not self._password:
            raise ApiError(403, "operator_refused")
        key = f"operator_tries:{_network(address)}"
        tries = await self._cache.count(key, ttl_s=TRIES_WINDOW_S) or await self._own.count(key, ttl_s=TRIES_WINDOW_S)
        if tries > MAX_TRIES:
            raise ApiError(429, "too_many_tries", retry_after_s=TRIES_WINDOW_S)
        if not hmac.compare_digest(password.encode(errors="surrogatepass"), self._password):
            raise ApiError(403, "wrong_password")
        return self._sessions.operator_cookie(self._mark)


def _is_here(request: HTTPServerRequest) -> bool:
    if any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        # The name too: a stranger's page may have made its own name point here.
        return ip_address(request.remote_ip or "").is_loopback and request.host_name in LOOPBACK_HOSTS
    except ValueError:
        return False


def _network(address: str) -> str:
    """An IPv6 host has a whole /64 to try from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
