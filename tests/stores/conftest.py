"""A MongoDB for the tests of stores: a database each, a person at a shell, faults in the server and on the line."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from server.stores.mongo import MongoStore
from tests.stores.cutting_proxy import CuttingProxy
from tests.stores.wire_server import Document, database_url, forget, server_url


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A database of this test's own."""
    url = database_url(tmp_path)
    yield url
    forget(url)


@pytest.fixture
def shell(url: str) -> Iterator[MongoClient[Document]]:
    """A person at a shell."""
    with MongoClient[Document](url) as client:
        yield client


@pytest.fixture
async def store(url: str) -> AsyncIterator[MongoStore]:
    async with aclosing(await MongoStore.open(url)) as store:
        yield store


@pytest.fixture
def fail(shell: MongoClient[Document]) -> Iterator[Callable[..., None]]:
    """Make the server fail the next so many of these commands."""

    def arm(*commands: str, times: int = 1, **data: Any) -> None:
        fault = {"failCommands": list(commands), **data}
        shell.admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": fault})

    yield arm
    shell.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


@pytest.fixture
async def proxy() -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy.before(int(server_url().rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
async def cut_off(url: str, proxy: CuttingProxy) -> AsyncIterator[MongoStore]:
    """A store that reaches the server through the proxy."""
    behind = f"mongodb://127.0.0.1:{proxy.port}/{url.rpartition('/')[2]}?directConnection=true"
    async with aclosing(await MongoStore.open(behind)) as store:
        yield store
