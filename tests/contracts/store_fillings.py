"""The fillings of `ports.Store`: one line here, and the whole contract is held against it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from server.ports import Store
from server.stores.sqlite import SqliteStore

# Opens the store that lives in this directory, an empty one at first.
OpenStore = Callable[[Path], Awaitable[Store]]


async def open_sqlite(directory: Path) -> Store:
    return await SqliteStore.open(directory / "daifu.db")


FILLINGS: Final[dict[str, OpenStore]] = {"sqlite": open_sqlite}

every_filling: Final = pytest.mark.parametrize("open_store", list(FILLINGS.values()), ids=list(FILLINGS))
