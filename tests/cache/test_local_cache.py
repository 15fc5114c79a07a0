"""The cache of a single process, on a clock moved by hand."""

import pytest

from server.cache import local
from server.cache.local import LocalCache


class Monotonic:
    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def cache(monotonic: Monotonic) -> LocalCache:
    return LocalCache(monotonic)


async def test_a_value_is_there_until_its_time_is_over(cache: LocalCache, monotonic: Monotonic) -> None:
    await cache.put("prepay:1", "wx1", ttl_s=600)

    monotonic.at_s += 599
    assert await cache.get("prepay:1") == "wx1"
    monotonic.at_s += 1
    assert await cache.get("prepay:1") is None


async def test_writing_again_replaces_value_and_time(cache: LocalCache, monotonic: Monotonic) -> None:
    await cache.put("key", "old", ttl_s=10)
    monotonic.at_s += 9
    await cache.put("key", "new", ttl_s=10)
    monotonic.at_s += 9

    assert await cache.get("key") == "new"


async def test_a_deleted_or_unknown_key_is_not_there(cache: LocalCache) -> None:
    await cache.put("key", "value", ttl_s=10)
    await cache.delete("key")
    await cache.delete("never there")

    assert await cache.get("key") is None


async def test_when_it_is_full_the_oldest_write_gives_way(cache: LocalCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_ENTRIES", 3)
    for number in range(4):
        await cache.put(f"key {number}", "value", ttl_s=10)

    assert [await cache.get(f"key {number}") for number in range(4)] == [None, "value", "value", "value"]
