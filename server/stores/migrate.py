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
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final, Generic, TypeVar

from msgspec import DecodeError, Struct, ValidationError, json
from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from server.domain.day_stats import Trace
from server.domain.document import Order
from server.domain.notify import Notify
from server.domain.rewards import Reward
from server.errors import ConfigError, StoreCorrupt
from server.ports import KeyClaim
from server.stores import sqlite_journal
from server.stores.mongo_database import DUPLICATE_KEY, Collection, Database, connect, database_of, prepare, within
from server.stores.mongo_documents import (
    Document,
    claim_document,
    delivery_document,
    notify_document,
    order_document,
    read_claim,
    read_delivery,
    read_notify,
    read_order,
    read_reward,
    read_trace,
    read_user,
    reward_document,
    trace_document,
    user_document,
)
from server.stores.sqlite_deliveries import delivery_of
from server.stores.sqlite_file import OpenFile, open_file
from server.stores.sqlite_people import reward_of, user_of
from server.stores.sqlite_stats import trace_of

PAGE: Final = 200  # rows that go as one
PAGE_S: Final = 30.0  # nobody waits for an answer here, but a server that is gone has to be noticed


Told = Callable[[str, int, int], None]
Row = tuple[Any, ...]
T = TypeVar("T")


class Count(Struct, frozen=True):
    """How many rows one side has of a kind, and the hash of them all in the order of their ids."""

    rows: int
    sha256: str


class Comparison(Struct, frozen=True):
    """What both sides hold of one kind of row."""

    kind: str
    sqlite: Count
    mongo: Count


@dataclass(frozen=True)
class _Kind(Generic[T]):
    """
    One table and the collection of the same name. A row begins with its id.

    `page` selects so many rows after an id, in the order of their ids. `read` and `found` make the same value of both
    sides' rows.
    """

    name: str
    count: str
    page: str
    read: Callable[[Row], T]
    write: Callable[[Row], Document]
    found: Callable[[Document], T]


async def migrate(path: Path, mongodb_url: str, *, told: Told) -> Sequence[Comparison]:
    """
    Copy the file's orders, users, rewards, deliveries, keys, traces and notifies; return what both sides hold.

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
                return [await _copy_and_compare(kind, file.reader, database, told) for kind in _KINDS]
    finally:
        file.release()


def _open(path: Path) -> OpenFile:
    if not path.exists():  # or an empty one would be made
        raise ConfigError(f"{path} is not there: nothing to copy; name its folder with --from")
    return open_file(path)


async def _copy_and_compare(kind: _Kind[Any], file: Connection, database: Database, told: Told) -> Comparison:
    collection = database[kind.name]
    rows = int(file.execute(kind.count).fetchone()[0])
    done = 0
    told(kind.name, done, rows)
    for page in _pages(kind, file):
        await _put([kind.write(row) for row in page], collection)
        done += len(page)
        told(kind.name, done, rows)
    return Comparison(kind.name, _count_sqlite(kind, file), await _count_mongo(kind, collection))


def _pages(kind: _Kind[Any], file: Connection) -> Iterator[list[Row]]:
    last = ""
    while page := file.execute(kind.page, (last, PAGE)).fetchall():
        yield page
        last = page[-1][0]


async def _put(documents: list[Document], collection: Collection) -> None:
    """Insert what is missing; of orders that are there with a lower rev take the new one. Nothing else is touched."""
    with within(PAGE_S):
        there = await _taken([document["_id"] for document in documents], collection)
        missing = [document for document in documents if document["_id"] not in there]
        behind = [d for d in documents if "rev" in d and there.get(d["_id"], d["rev"]) < d["rev"]]
        if missing:
            await _insert(missing, collection)
        if behind:
            writes = [ReplaceOne({"_id": d["_id"], "rev": there[d["_id"]]}, d) for d in behind]
            await collection.bulk_write(writes, ordered=False)


async def _taken(ids: list[str], collection: Collection) -> dict[str, int]:
    """Return which of these ids are there, each with its rev (0 for what has none)."""
    found = collection.find({"_id": {"$in": ids}}, {"rev": 1}, batch_size=PAGE + 1)
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


def _count_sqlite(kind: _Kind[Any], file: Connection) -> Count:
    tally = _Tally()
    for page in _pages(kind, file):
        for row in page:
            tally.add((row[0], kind.read(row)))
    return tally.count()


async def _count_mongo(kind: _Kind[Any], collection: Collection) -> Count:
    tally = _Tally()
    last = ""
    while True:
        with within(PAGE_S):
            page = await collection.find({"_id": {"$gt": last}}, sort=[("_id", 1)], limit=PAGE).to_list()
        if not page:
            return tally.count()
        for document in page:
            tally.add((document["_id"], kind.found(document)))
        last = page[-1]["_id"]


def _sqlite_order(row: Row) -> Order:
    order_id, doc = row
    try:
        return json.decode(doc, type=Order)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"order {order_id}") from error


def _sqlite_reward(row: Row) -> Reward:
    try:
        return reward_of(row)
    except ValueError as error:  # a kind nobody knows
        raise StoreCorrupt(f"reward {row[0]}") from error


def _sqlite_trace(row: Row) -> Trace:
    try:
        return trace_of(row)
    except ValueError as error:  # a kind nobody knows
        raise StoreCorrupt(f"a trace of order {row[1]}") from error


def _sqlite_claim(row: Row) -> KeyClaim:
    return KeyClaim(order_id=row[1], body_sha256=row[2], claimed_at_ms=row[3])


def _sqlite_notify(row: Row) -> Notify:
    return sqlite_journal.notify_of(*row)


_KINDS: Final[tuple[_Kind[Any], ...]] = (
    _Kind(
        name="orders",
        count="SELECT count(*) FROM orders",
        page="SELECT order_id, doc FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?",
        read=_sqlite_order,
        write=lambda row: order_document(_sqlite_order(row)),
        found=read_order,
    ),
    _Kind(
        name="users",
        count="SELECT count(*) FROM users",
        page=(
            "SELECT openid, name, avatar, first_seen_ms, brought_by FROM users WHERE openid > ? ORDER BY openid LIMIT ?"
        ),
        read=user_of,
        write=lambda row: user_document(user_of(row)),
        found=read_user,
    ),
    _Kind(
        name="rewards",
        count="SELECT count(*) FROM rewards",
        page=(
            "SELECT reward_id, openid, kind, points, order_id, at_ms, taken_back_at_ms FROM rewards"
            " WHERE reward_id > ? ORDER BY reward_id LIMIT ?"
        ),
        read=_sqlite_reward,
        write=lambda row: reward_document(_sqlite_reward(row)),
        found=read_reward,
    ),
    _Kind(
        name="deliveries",
        count="SELECT count(*) FROM deliveries",
        page="SELECT delivery_id, doc FROM deliveries WHERE delivery_id > ? ORDER BY delivery_id LIMIT ?",
        read=delivery_of,
        write=lambda row: delivery_document(delivery_of(row)),
        found=read_delivery,
    ),
    _Kind(
        name="idempotency",
        count="SELECT count(*) FROM idempotency",
        page="SELECT key, order_id, body_sha256, claimed_at_ms FROM idempotency WHERE key > ? ORDER BY key LIMIT ?",
        read=_sqlite_claim,
        write=lambda row: claim_document(row[0], _sqlite_claim(row)),
        found=read_claim,
    ),
    _Kind(
        name="traces",
        count="SELECT count(*) FROM traces",
        page=(
            "SELECT trace_id, order_id, kind, openid, at_ms FROM traces WHERE trace_id > ? ORDER BY trace_id LIMIT ?"
        ),
        read=_sqlite_trace,
        write=lambda row: trace_document(_sqlite_trace(row)),
        found=read_trace,
    ),
    _Kind(
        name="notifies",
        count="SELECT count(*) FROM notifies",
        page="SELECT notify_id, doc FROM notifies WHERE notify_id > ? ORDER BY notify_id LIMIT ?",
        read=_sqlite_notify,
        write=lambda row: notify_document(_sqlite_notify(row)),
        found=read_notify,
    ),
)
