"""What every cache promises."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest

from server.cache.local import LocalCache
from server.cache.redis import RedisCache
from server.ports import Cache
from tests.redis_server import RedisServer

PATIENCE_S: Final = 10
LONG_S: Final = 600

OpenCache = Callable[[pytest.FixtureRequest], Awaitable[Cache]]


async def open_local(request: pytest.FixtureRequest) -> Cache:
    return LocalCache(time.monotonic)


async def open_redis(request: pytest.FixtureRequest) -> Cache:
    server: RedisServer = request.getfixturevalue("redis_server")
    return await RedisCache.open(server.url)


@pytest.fixture(
    params=[pytest.param(open_local, id="local"), pytest.param(open_redis, id="redis", marks=pytest.mark.redis)]
)
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache]:
    opened = await request.param(request)
    yield opened
    await opened.aclose()


async def test_a_value_comes_back_as_it_was_put_in(cache: Cache) -> None:
    for number, value in enumerate(("wx1", "", "两张电影票 🎬\r\n\x00", "x" * 100_000)):
        await cache.put(f"value:{number}", value, ttl_s=LONG_S)

        assert await cache.get(f"value:{number}") == value


async def test_what_was_never_there_is_not_there(cache: Cache) -> None:
    assert await cache.get("value:none") is None


async def test_writing_again_replaces_the_value_and_its_time(cache: Cache) -> None:
    await cache.put("value:1", "old", ttl_s=1)
    await cache.put("value:1", "new", ttl_s=LONG_S)
    await cache.put("witness:1", "gone after a second", ttl_s=1)

    await is_gone(cache, "witness:1")

    assert await cache.get("value:1") == "new"


async def test_a_value_is_gone_when_its_time_is_over(cache: Cache) -> None:
    await cache.put("value:1", "short", ttl_s=1)
    assert await cache.get("value:1") == "short"

    await is_gone(cache, "value:1")


async def test_a_deleted_value_is_gone_and_deleting_nothing_is_fine(cache: Cache) -> None:
    await cache.put("value:1", "one", ttl_s=LONG_S)
    await cache.put("value:2", "two", ttl_s=LONG_S)

    await cache.delete("value:1")
    await cache.delete("value:3")

    assert await cache.get("value:1") is None
    assert await cache.get("value:2") == "two"


async def test_many_who_ask_at_once_each_get_their_own_answer(cache: Cache) -> None:
    await asyncio.gather(*(cache.put(f"value:{number}", str(number), ttl_s=LONG_S) for number in range(500)))

    answers = await asyncio.gather(*(cache.get(f"value:{number}") for number in range(500)))

    assert answers == [str(number) for number in range(500)]


async def test_of_many_who_add_at_once_one_gets_the_key(cache: Cache) -> None:
    added = await asyncio.gather(*(cache.add("turn:1", str(number), ttl_s=LONG_S) for number in range(50)))

    assert added.count(True) == 1
    assert await cache.get("turn:1") == str(added.index(True))


async def test_what_was_added_can_be_added_again_when_its_time_is_over(cache: Cache) -> None:
    assert await cache.add("turn:1", "mine", ttl_s=1)
    await is_gone(cache, "turn:1")

    assert await cache.add("turn:1", "yours", ttl_s=LONG_S)


async def test_nobody_deletes_what_somebody_else_has_added(cache: Cache) -> None:
    await cache.add("turn:1", "mine", ttl_s=LONG_S)

    await cache.delete_if("turn:1", "yours")
    assert await cache.get("turn:1") == "mine"
    await cache.delete_if("turn:1", "mine")
    assert await cache.get("turn:1") is None


async def test_a_late_older_value_does_not_replace_a_newer_one(cache: Cache) -> None:
    for value in ("1700000000999 first", "1700000001000 second", "999 late", "1700000001000 as old"):
        await cache.put_newest("value:1", value, ttl_s=LONG_S)

    assert await cache.get("value:1") == "1700000001000 as old"


async def test_counting_begins_anew_when_the_time_of_the_first_is_over(cache: Cache) -> None:
    counted = await asyncio.gather(*(cache.count("calls:1", ttl_s=LONG_S) for _ in range(20)))
    assert sorted(counted) == list(range(1, 21))

    await cache.count("calls:2", ttl_s=1)
    await cache.count("calls:2", ttl_s=LONG_S)
    await is_gone(cache, "calls:2")
    assert await cache.count("calls:2", ttl_s=LONG_S) == 1


async def is_gone(cache: Cache, key: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await cache.get(key) is not None:  # noqa: ASYNC110 - time has no event
            await asyncio.sleep(0.01)
