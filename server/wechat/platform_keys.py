"""
WeChat's keys as this process knows them, and the one task that fetches its certificates again.

No notify waits for a fetch: one that names a key we do not have is refused, WeChat sends it again, and by then the key
is here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from server.domain.ending import Ending
from server.errors import BadNotify, WeChatError
from server.tasks import end
from server.wechat.v3_keys import KeyRing

# Anybody can name a key that is not there; that must not make us ask WeChat all the time.
BETWEEN_FETCHES_S: Final = 60.0
# WeChat shows a new certificate at least a day before it signs with it.  Source: API v3, "platform certificates".
FRESH_FOR_S: Final = 12 * 3600.0
LONGEST_BEGIN_S: Final = 3.0  # then the server starts without them

log: Final = structlog.get_logger()

Fetch = Callable[[KeyRing], Awaitable[KeyRing]]


class PlatformKeys:
    """
    A ring that grows. It starts with the public keys of the settings, which nothing fetches and nothing ends.

    Args:
        fetch: Returns WeChat's certificates' keys, verified with the ring and themselves.
    """

    def __init__(self, pinned: KeyRing, fetch: Fetch, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._ring = pinned
        self._has_pinned = bool(pinned.keys)
        self._fetch = fetch
        self._monotonic_s = monotonic_s
        self._asked_at_s: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    @property
    def ring(self) -> KeyRing:
        """The keys as of now."""
        return self._ring

    @property
    def ending(self) -> Ending | None:
        """The last of WeChat's certificates to end: those before it are being replaced, as they should be."""
        ends_at_ms = self._ring.ends_at_ms
        last = max(ends_at_ms, key=ends_at_ms.__getitem__, default=None)
        return None if last is None else Ending("platform", last, ends_at_ms[last])

    def keep_fresh(self) -> None:
        """Ask for the certificates if they may have changed."""
        if self._age_s >= FRESH_FOR_S:
            self.want()

    async def begin(self) -> None:
        """
        Return when the certificates are here, or cannot be had for now.

        Also with a public key in the settings: while a merchant is moved from the one to the other, either may sign.
        """
        self.want()
        if self._fetching is not None:
            await asyncio.wait([self._fetching], timeout=LONGEST_BEGIN_S)

    def want(self) -> None:
        """Fetch in the background, unless that is under way or was tried a moment ago."""
        if self._is_fetching or self._age_s < BETWEEN_FETCHES_S:
            return
        self._asked_at_s = self._monotonic_s()
        self._fetching = asyncio.create_task(self._refresh())

    async def wanted(self) -> None:
        """Return when a fetch that is wanted now, or under way, has ended."""
        self.want()
        if self._fetching is not None:
            await asyncio.wait([self._fetching])

    async def aclose(self) -> None:
        if self._fetching is not None:
            await end([self._fetching])

    @property
    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    @property
    def _age_s(self) -> float:
        return float("inf") if self._asked_at_s is None else self._monotonic_s() - self._asked_at_s

    async def _refresh(self) -> None:
        try:
            keys = await self._fetch(self._ring)
        except (WeChatError, BadNotify) as error:
            # A merchant who was never given certificates has a public key, and needs none.
            if self._has_pinned:
                log.info("certificates_not_fetched", reason=str(error), matters="no, the public key in use verifies")
            else:
                log.warning("certificates_not_fetched", reason=str(error))
            return
        except Exception:
            log.exception("certificates_broke")
            return
        new = sorted(keys.keys.keys() - self._ring.keys.keys())
        self._ring = self._ring.with_keys(keys)
        log.info("certificates_fetched", new=new)
