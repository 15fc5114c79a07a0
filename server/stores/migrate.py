"""
From SQLite to MongoDB: every row of the file is put into the database, then both sides are read again and compared.

It may be killed at any instruction and started again, and started again when it is done: a row that is there already
is left alone, and an order there with a higher rev is never put back. The file's lock is held throughout, so that no
server can change what is being copied.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final

from msgspec import Struct, json
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from server.errors import ConfigError
from server.stores.migrate_kinds import KINDS, Kind, Row
from server.stores.mongo_database import DUPLICATE_KEY, Collection, Database, connect, database_of, prepare, within
from server.stores.mongo_documents import Document
from server.stores.sqlite_file import OpenFile, open_file

PAGE: Final = 200  # rows that go as one
PAGE_S: Final = 30.0  # nobody waits for an answer here, but a server that is gone has to be noticed


Told = Callable[[str, int, int], None]


class Count(Struct, frozen=True):
    """How many rows one side has of a kind, and the hash of them all in the order of their ids."""

    rows: int
    sha256: str


class Comparison(Struct, frozen=True):
    """What both sides hold of one kind of row."""

    kind: str
    sqlite: Count
    mongo: Count


async def migrate(path: Path, mongodb_url: str, *, told: Told) -> Sequence[Comparison]:
    """
    Copy the file's orders, users, rewards, deliveries, keys, traces, notifies and reports; return what both sides hold.

    Args:
        told: Hears the name of a kind, how many of its rows are there by now, and how many there are in all.

    Raises:
        ConfigError: A side is refused: a server has the file open, there is no file, or MongoDB will not do.
        StoreCorrupt: A row cannot be read.
        StoreUnavailable: MongoDB does not answer; start again later.
    """
    file = await asyncio.to_thread(_open, path)
    try:
        async with connect(mongodb_url) as client:
            database = database_of(client)
            await prepare(database)
            with closing(file.writer), closing(file.reader):
                return [await _copy_and_compare(kind, file.reader, database, told) for kind in KINDS]
    finally:
        file.release()


def _open(path: Path) -> OpenFile:
    if not path.exists():  # or an empty one would be made
        raise ConfigError(f"{path} is not there: nothing to copy; name its folder with --from")
    return open_file(path)


async def _copy_and_compare(kind: Kind[Any], file: Connection, database: Database, told: Told) -> Comparison:
    collection = database[kind.name]
    rows = int(file.execute(kind.count).fetchone()[0])
    done = 0
    told(kind.name, done, rows)
    for page in _pages(kind, file):
        await _put([kind.write(row) for row in page], kind, collection)
        done += len(page)
        told(kind.name, done, rows)
    return Comparison(kind.name, _count_sqlite(kind, file), await _count_mongo(kind, collection))


def _pages(kind: Kind[Any], file: Connection) -> Iterator[list[Row]]:
    last = ""
    while page := file.execute(kind.page, (last, PAGE)).fetchall():
        yield page
        last = page[-1][0]


async def _put(documents: list[Document], kind: Kind[Any], collection: Collection) -> None:
    """Insert what is missing; of orders that are there with a lower rev take the new one. Nothing else is touched."""
    with within(PAGE_S):
        there = await _taken([document["_id"] for document in documents], kind, collection)
        missing = [document for document in documents if document["_id"] not in there]
        behind = [d for d in documents if "rev" in d and there.get(d["_id"], d["rev"]) < d["rev"]]
        if missing:
            await _insert(missing, collection)
        if behind:
            writes = [ReplaceOne({"_id": d["_id"], "rev": there[d["_id"]]}, d) for d in behind]
            await collection.bulk_write(writes, ordered=False)


async def _taken(ids: list[str], kind: Kind[Any], collection: Collection) -> dict[str, int]:
    """Return which of these ids are there, each with its rev (0 for what has none)."""
    found = collection.find({**kind.there, "_id": {"$in": ids}}, {"rev": 1}, batch_size=PAGE + 1)
    return {document["_id"]: document.get("rev", 0) for document in await found.to_list()}


async def _insert(documents: list[Document], collection: Collection) -> None:
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        # What came between our look and our write is compared at the end like everything else.
        if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
            raise


class _Tally:
    def __init__(self) -> None:
        self._rows = 0
        self._hash = hashlib.sha256()

    def add(self, value: Any) -> None:
        self._rows += 1
        self._hash.update(json.encode(value) + b"\n")

    def count(self) -> Count:
        return Count(self._rows, self._hash.hexdigest())


def _count_sqlite(kind: Kind[Any], file: Connection) -> Count:
    tally = _Tally()
    for page in _pages(kind, file):
        for row in page:
            tally.add((row[0], kind.read(row)))
    return tally.count()


async def _count_mongo(kind: Kind[Any], collection: Collection) -> Count:
    tally = _Tally()
    last = ""
    while True:
        with within(PAGE_S):
            page = await collection.find({**kind.there, "_id": {"$gt": last}}, sort=[("_id", 1)], limit=PAGE).to_list()
        if not page:
            return tally.count()
        for document in page:
            tally.add((document["_id"], kind.found(document)))
        last = page[-1]["_id"]
