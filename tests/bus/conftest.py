"""Two processes on one Redis and one store."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from server.domain.document import Order
from server.ports import Store
from server.stores.sqlite import SqliteStore
from tests.bus.processes import Process, a_process
from tests.redis_server import RedisServer
from tests.stores.stored_orders import an_order


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        yield store


@pytest.fixture
async def order(store: Store) -> Order:
    order = an_order()
    await store.insert(order)
    return order


@pytest.fixture
async def here(redis_server: RedisServer, store: Store) -> AsyncIterator[Process]:
    """The process that settles."""
    async with a_process(redis_server.url, store) as process:
        yield process


@pytest.fixture
async def there(redis_server: RedisServer, store: Store) -> AsyncIterator[Process]:
    """Another one, where somebody watches."""
    async with a_process(redis_server.url, store) as process:
        yield process
