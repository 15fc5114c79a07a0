"""
One access token (or ticket) for all processes: fetched by one, early, and never replaced by an older one.

The cache is where processes meet. It may be away or forgetful: then each process keeps its own copy and fetches for
itself, which costs calls and breaks nothing, because WeChat's stable token is the same for everybody who asks.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

import structlog

from server.errors import StaleToken, WeChatError, WeChatUnavailable
from server.official_ports import Credential
from server.ports import Cache, Clock

log: Final = structlog.get_logger("server.credential")

T = TypeVar("T")

# WeChat has the next token ready five minutes before the end of the old one.  Source: "get stable access token".
EARLY_S: Final = 240
TURN_S: Final = 15  # a fetch ends well within it; whoever had the turn and died is waited for no longer
LOOK_AGAIN_S: Final = 0.05
PAUSE_S: Final = 10  # after an early renewal that brought nothing newer, or failed
FORCE_GAP_S: Final = 30  # Source: "get stable access token", `force_refresh`
FORCES_A_DAY: Final = 20
DAY_S: Final = 86400
BEIJING_S: Final = 8 * 3600  # where WeChat's day begins
ALARM_PERCENT: Final = 80


class Held(NamedTuple):
    """A credential and when it ends, in Unix milliseconds: of two, the one that ends later is the newer."""

    until_ms: int
    value: str

    @property
    def written(self) -> str:
        """As the cache keeps it."""
        return f"{self.until_ms} {self.value}"


NONE: Final = Held(0, "")


def read_held(written: str | None) -> Held:
    """Return what the cache kept; nothing, if this is nothing of ours."""
    until, _, value = (written or "").partition(" ")
    return Held(int(until), value) if value and until.isascii() and until.isdigit() else NONE


class Keeper:
    """
    Keeps one credential, on one event loop.

    Args:
        name: Its cache key, such as `access_token:<appid>`; letters, digits and `._-` after the colon.
        fetch: Gets it from WeChat. True asks for a new one although the old one has time left.
        limit_a_day: How often all processes together may fetch it in a day of Beijing's.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[bool], Awaitable[Credential]],
        *,
        cache: Cache,
        clock: Clock,
        limit_a_day: int,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._cache = cache
        self._clock = clock
        self._limit_a_day = limit_a_day
        self._held = NONE
        self._stale = ""  # what WeChat refused last
        self._flight: asyncio.Task[Held] | None = None
        self._not_early_before_ms = 0
        self._forced_at_ms = 0

    async def value(self) -> str:
        """
        Return the credential. Many who ask at once wait for one fetch, and only if there is none that is still good.

        Raises:
            WeChatUnavailable, WeChatRefused: There is none, and none could be fetched.
        """
        held = self._held if self._is_fresh(self._held) else await self._newest()
        if self._is_fresh(held) or (self._is_good(held) and (self._flight or self._is_resting)):
            return held.value
        return (await self._renewed()).value

    async def use(self, call: Callable[[str], Awaitable[T]]) -> T:
        """
        Return what this call returns, given the credential; if WeChat finds it stale, given a new one, once.

        Raises:
            StaleToken: WeChat does not take the new one either.
        """
        value = await self.value()
        try:
            return await call(value)
        except StaleToken as error:
            log.warning("credential_stale", name=self._name, code=error.code)
            self._forget(value)
            return await call(await self.value())

    def _is_good(self, held: Held) -> bool:
        return held.until_ms > self._clock.now_ms()

    def _is_fresh(self, held: Held) -> bool:
        return held.until_ms > self._clock.now_ms() + EARLY_S * 1000

    @property
    def _is_resting(self) -> bool:
        return self._clock.now_ms() < self._not_early_before_ms

    async def _newest(self) -> Held:
        kept = read_held(await self._cache.get(self._name))
        if kept.value != self._stale:
            self._held = max(self._held, kept)
        return self._held

    async def _renewed(self) -> Held:
        """Renew it, or join who is at it in this process."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._renew())
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def _landed(self, flight: "asyncio.Task[Held]") -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # whoever waits is told; nobody may be left

    async def _renew(self) -> Held:
        try:
            async with asyncio.timeout(2 * TURN_S):
                while True:
                    held = await self._take_turn()
                    if held is not None:
                        return held
                    await asyncio.sleep(LOOK_AGAIN_S)  # another process is at it
        except TimeoutError:
            raise WeChatUnavailable(self._kind, "no_turn") from None

    async def _take_turn(self) -> Held | None:
        """Return what another process has fetched, or fetch; None to wait for another process that is at it."""
        turn, owner = self._key("turn"), secrets.token_hex(8)
        has_turn = await self._cache.add(turn, owner, ttl_s=TURN_S)
        try:
            held = await self._newest()
            if self._is_fresh(held):
                return held
            if has_turn:
                return await self._fetch_newer(held)
            return held if self._is_good(held) else None
        finally:
            if has_turn:
                await self._cache.delete_if(turn, owner)

    def _forget(self, stale: str) -> None:
        """WeChat refuses this value: nobody here uses it again, whatever the cache says."""
        self._stale = stale
        if self._held.value == stale:
            self._held = NONE

    async def _fetch_newer(self, held: Held) -> Held:
        """Fetch, having the turn; what is still good stands in for what could not be fetched."""
        self._not_early_before_ms = self._clock.now_ms() + PAUSE_S * 1000
        try:
            newer = await self._fetch_counted(force=False)
            if newer.value == self._stale:
                newer = await self._force()
        except WeChatError as error:
            if not self._is_good(held):
                raise
            log.warning("credential_not_renewed", name=self._name, reason=str(error))
            return held
        self._held = newer
        await self._cache.put_newest(self._name, newer.written, ttl_s=max(1, self._left_s(newer)))
        return newer

    async def _force(self) -> Held:
        """WeChat still hands out the token it refuses: only a forced refresh ends that, and few are allowed."""
        now_ms = self._clock.now_ms()
        is_early = now_ms < self._forced_at_ms + FORCE_GAP_S * 1000  # the cache may have forgotten
        if is_early or not await self._cache.add(self._key("forced"), "1", ttl_s=FORCE_GAP_S):
            raise WeChatUnavailable(self._kind, "forced_just_now")
        self._forced_at_ms = now_ms
        await self._count("forces", FORCES_A_DAY)
        return await self._fetch_counted(force=True)

    async def _fetch_counted(self, *, force: bool) -> Held:
        today = await self._count("fetches", self._limit_a_day)
        asked_ms = self._clock.now_ms()
        fetched = await self._fetch(force)
        log.info(
            "credential_fetched", name=self._name, forced=force, expires_in_s=fetched.expires_in_s, fetches_today=today
        )
        return Held(asked_ms + fetched.expires_in_s * 1000, fetched.value)

    async def _count(self, what: str, limit: int) -> int:
        """
        Count one more today.

        Raises:
            WeChatUnavailable: The day's share is used up. WeChat would refuse as well, and go on refusing.
        """
        day = (self._clock.now_ms() // 1000 + BEIJING_S) // DAY_S
        count = await self._cache.count(f"{self._key(what)}.{day}", ttl_s=2 * DAY_S)
        if count > limit:
            raise WeChatUnavailable(self._kind, f"{what}_used_up")
        if count == -(-limit * ALARM_PERCENT // 100):
            log.critical("credential_quota_low", name=self._name, what=what, used=count, limit=limit)
        return count

    @property
    def _kind(self) -> str:
        return self._name.partition(":")[0]

    def _key(self, what: str) -> str:
        return self._name.replace(":", f"_{what}:", 1)

    def _left_s(self, held: Held) -> int:
        return (held.until_ms - self._clock.now_ms()) // 1000
