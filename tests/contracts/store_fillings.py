"""The fillings of `ports.Store`: one line here, and the whole contract is held against it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from server.stores.mongo import MongoStore
from server.stores.sqlite import SqliteStore
from tests.stores.wire_server import database_url

AnyStore = SqliteStore | MongoStore

# Opens the store that lives in this directory, an empty one at first.
OpenStore = Callable[[Path], Awaitable[AnyStore]]


async def open_sqlite(directory: Path) -> AnyStore:
    return await SqliteStore.open(directory / "daifu.db")


async def open_mongo(directory: Path) -> AnyStore:
    return await MongoStore.open(database_url(directory))


FILLINGS: Final[dict[str, OpenStore]] = {"sqlite": open_sqlite, "mongo": open_mongo}

# What a filling needs to be there, as a marker.
NEEDS: Final = {"mongo": pytest.mark.mongo}

every_filling: Final = pytest.mark.parametrize(
    "open_store",
    [pytest.param(open_store, id=name, marks=NEEDS.get(name, ())) for name, open_store in FILLINGS.items()],
)
