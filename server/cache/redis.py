"""The cache of many processes: a Redis that may be slow, full, empty or gone, and is never waited for."""

import asyncio
import re
from typing import Any, Final, Self

from server.redis.pipe import RedisFailed, RedisPipe

PREFIX: Final = "daifu:"
WAIT_S: Final = 0.05
PATIENT_S: Final = 1.0  # for what nobody waits for at a cashier, and what costs WeChat's quota when it is missed

# A script is one step to everybody else. Numbers are exact below 2**53.
_DELETE_IF: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
_PUT_NEWEST: Final = """
local function number(value) return tonumber(string.match(value or '', '^%d+') or '0') end
if number(redis.call('GET', KEYS[1]) or '') <= number(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""
_COUNT: Final = """
local counted = redis.call('INCR', KEYS[1])
if counted == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return counted
"""

_KEY: Final = re.compile(r"[a-z_]+(:[0-9A-Za-z._:-]{1,128})?")


class RedisCache:
    """
    Fills ports.Cache. Each operation waits for Redis `wait_s` at most and then behaves like a miss, or drops the write.

    Whoever asks while an earlier answer is overdue does not wait at all: see `RedisPipe`.
    """

    def __init__(self, pipe: RedisPipe, *, wait_s: float = WAIT_S) -> None:
        self._pipe = pipe
        self._wait_s = wait_s
        self.failures = 0

    @classmethod
    async def open(cls, url: str, *, wait_s: float = WAIT_S) -> Self:
        return cls(await RedisPipe.open(url, name="daifu-cache"), wait_s=wait_s)

    async def get(self, key: str) -> str | None:
        value = await self._ask("GET", _name(key))
        try:
            return value.decode() if isinstance(value, bytes) else None
        except UnicodeDecodeError:
            return None  # nothing of ours

    async def put(self, key: str, value: str, *, ttl_s: int) -> None:
        await self._ask("SET", _name(key), value, "EX", ttl_s)

    async def delete(self, key: str) -> None:
        await self._ask("DEL", _name(key))

    async def add(self, key: str, value: str, *, ttl_s: int) -> bool:
        return await self._ask("SET", _name(key), value, "EX", ttl_s, "NX", lost=True) is not None

    async def delete_if(self, key: str, value: str) -> None:
        await self._ask("EVAL", _DELETE_IF, 1, _name(key), value)

    async def put_newest(self, key: str, value: str, *, ttl_s: int) -> None:
        await self._ask("EVAL", _PUT_NEWEST, 1, _name(key), value, ttl_s)

    async def count(self, key: str, *, ttl_s: int) -> int:
        return await self._ask("EVAL", _COUNT, 1, _name(key), ttl_s) or 0

    async def aclose(self) -> None:
        await self._pipe.aclose()

    async def _ask(self, *command: str | int, lost: object = None) -> Any:
        """Return the answer, or `lost` if there was none."""
        try:
            async with asyncio.timeout(self._wait_s):
                return await self._pipe.call(*command)
        except (RedisFailed, TimeoutError):
            self.failures += 1
            return lost


def _name(key: str) -> str:
    """A key made from what a stranger sent must not become another key, or one without end."""
    if not _KEY.fullmatch(key):
        raise ValueError("a cache key is a word, and after a colon up to 128 letters, digits or ._:-")
    return PREFIX + key
