"""MongoDB: does it answer, does it keep what it acknowledges, are its indexes ours? Reads only."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from server.doctor.finding import Finding, Level, ok, warning, wrong
from server.errors import ConfigError, StoreUnavailable
from server.stores.mongo_database import (
    BULK_WRITE_SINCE,
    FORBIDDEN,
    INDEXES,
    WRITE_S,
    Database,
    connect,
    database_of,
    within,
)

FEWEST_MEMBERS: Final = 3  # two can form a majority when one is lost

Indexes = Mapping[str, Mapping[str, Any]]


async def check_mongo(url: str) -> list[Finding]:
    """Return what is to be said of the database at this address; nothing if there is no address."""
    if not url:
        return []
    try:
        client = connect(url)
    except ConfigError:
        return [wrong("mongo_url_unreadable")]
    try:
        with within(2 * WRITE_S):
            database = database_of(client)
            hello = await client.admin.command("hello")
            indexes = await _indexes(database)
    except StoreUnavailable as error:
        return [_no_answer(error)]
    finally:
        await client.close()
    found = [*judge_server(hello), *judge_indexes(indexes)]
    return found if any(each.level is Level.WRONG for each in found) else [ok("mongo_fine"), *found]


def judge_server(hello: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge the answer to `hello`."""
    is_sharded = hello.get("msg") == "isdbgrid"
    if "setName" not in hello and not is_sharded:
        yield wrong("mongo_alone")
    elif not is_sharded and len(hello.get("hosts", ())) < FEWEST_MEMBERS:
        yield warning("mongo_few_members", members=len(hello.get("hosts", ())))
    if hello.get("maxWireVersion", 0) < BULK_WRITE_SINCE:
        yield warning("mongo_old")


def judge_indexes(there: Mapping[str, Indexes]) -> Iterator[Finding]:
    """Compare the indexes that are there, by collection and name, with ours; missing ones are made at the start."""
    for collection, wanted in INDEXES.items():
        for index in wanted:
            found = there.get(collection, {}).get(_name(index))
            if found is not None and list(found["key"]) != list(index.document["key"].items()):
                yield wrong("mongo_index_other", index=_name(index), collection=collection)


async def _indexes(database: Database) -> dict[str, Indexes]:
    read = await asyncio.gather(*(database[name].index_information() for name in INDEXES))
    return dict(zip(INDEXES, read, strict=True))


def _name(index: IndexModel) -> str:
    return str(index.document["name"])


def _no_answer(error: StoreUnavailable) -> Finding:
    cause = error.__cause__
    if isinstance(cause, OperationFailure) and cause.code in FORBIDDEN:
        return wrong("mongo_forbidden")
    return wrong("mongo_silent", reason=error.reason)
