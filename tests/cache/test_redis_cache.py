"""A cache that is never waited for, over a real Redis behind a proxy that delays, holds and cuts."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from server.cache.redis import WAIT_S, RedisCache
from tests.proxy import Proxy
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis

LONG_S = 600
PATIENCE_S = 10


@pytest.fixture
async def proxy(redis_server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
async def cache(proxy: Proxy) -> AsyncIterator[RedisCache]:
    cache = await RedisCache.open(proxy.url)
    await cache.put("value:1", "one", ttl_s=LONG_S)
    yield cache
    await cache.aclose()


async def comes_back(cache: RedisCache) -> None:
    """Wait until it works again; nobody restarts anything."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await cache.put("value:1", "one", ttl_s=LONG_S)
            if await cache.get("value:1") == "one":
                return
            await asyncio.sleep(0.02)


async def test_keys_carry_our_prefix_and_a_time_to_live(cache: RedisCache, redis_server: RedisServer) -> None:
    assert redis_server.do("KEYS", "*") == [b"daifu:value:1"]
    assert 0 < redis_server.do("PTTL", "daifu:value:1") <= LONG_S * 1000


@pytest.mark.parametrize(
    "key", ["", "value:", "value:a b", "value:a\r\nFLUSHALL", "value:*", "值:1", "value:" + "x" * 129]
)
async def test_a_key_of_another_pattern_is_a_bug_and_never_sent(cache: RedisCache, key: str) -> None:
    with pytest.raises(ValueError, match="cache key"):
        await cache.get(key)


@pytest.mark.parametrize("delay_s", [0.1, 0.5, 5.0])
async def test_a_slow_redis_is_a_miss_and_costs_many_askers_one_short_wait(
    cache: RedisCache, proxy: Proxy, delay_s: float
) -> None:
    proxy.delay_s = delay_s
    started_s = time.monotonic()

    answers = [await cache.get("value:1") for _ in range(200)]

    assert answers == [None] * 200
    assert time.monotonic() - started_s < 200 * WAIT_S / 10


async def test_one_that_never_answers_is_let_go_and_found_again(cache: RedisCache, proxy: Proxy) -> None:
    proxy.hold()
    assert await cache.get("value:1") is None

    proxy.release()

    await comes_back(cache)


async def test_cancelled_and_late_askers_never_mix_up_the_answers_of_others(cache: RedisCache, proxy: Proxy) -> None:
    for number in range(100):
        await cache.put(f"value:{number}", str(number), ttl_s=LONG_S)
    wrong: list[tuple[int, str]] = []

    async def ask(number: int) -> None:
        answer = await cache.get(f"value:{number}")
        if answer not in (None, str(number)):
            wrong.append((number, answer or ""))

    for round_ in range(30):
        proxy.delay_s = 0.002 * (round_ % 5)
        asking = [asyncio.create_task(ask(number)) for number in range(100)]
        await asyncio.sleep(0.001 * (round_ % 7))
        for task in asking[round_ % 3 :: 3]:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    proxy.delay_s = 0
    await comes_back(cache)
    assert wrong == []
    assert proxy.accepted == 1  # no answer was lost track of, so the connection was never given up


async def test_a_cut_connection_is_opened_again(cache: RedisCache, proxy: Proxy) -> None:
    proxy.cut()

    await comes_back(cache)


async def test_killed_and_started_again_it_is_empty_and_works(cache: RedisCache, redis_server: RedisServer) -> None:
    redis_server.kill()
    assert await cache.get("value:1") is None
    await cache.put("value:1", "dropped", ttl_s=LONG_S)
    assert await cache.add("value:1", "nobody can tell", ttl_s=LONG_S)
    assert await cache.count("calls:1", ttl_s=LONG_S) == 0
    redis_server.start()

    await comes_back(cache)


async def test_down_at_the_start_it_is_found_when_it_comes(redis_server: RedisServer) -> None:
    redis_server.kill()
    cache = await RedisCache.open(redis_server.url)
    assert await cache.get("value:1") is None

    redis_server.start()

    await comes_back(cache)
    await cache.aclose()


async def test_a_redis_that_refuses_is_a_miss_and_the_next_answer_is_right(
    cache: RedisCache, redis_server: RedisServer
) -> None:
    redis_server.do("LPUSH", "daifu:value:2", "of another type")
    redis_server.do("SET", "daifu:value:3", b"\xff not ours")
    answers = await asyncio.gather(*(cache.get(f"value:{number}") for number in (2, 1, 3, 1)))
    assert answers == [None, "one", None, "one"]

    redis_server.do("CONFIG", "SET", "maxmemory", "1")  # OOM: it reads and does not write
    await cache.put("value:1", "two", ttl_s=LONG_S)
    assert await cache.get("value:1") == "one"


async def test_a_wrong_password_is_a_miss_and_nothing_worse(redis_server: RedisServer) -> None:
    redis_server.do("CONFIG", "SET", "requirepass", "a password nobody was told")
    cache = await RedisCache.open(redis_server.url.replace("//", "//:wrong@"))

    await cache.put("value:1", "one", ttl_s=LONG_S)
    assert await cache.get("value:1") is None
    await cache.aclose()
