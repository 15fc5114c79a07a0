"""What stands in a store, read past daifu: the same plain documents whichever database keeps them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pymongo import MongoClient
from pymongo.database import Database

from tests.faults.auditor import Document, Stored


class Shelf(Protocol):
    """Where one daifu keeps its orders; may be read while a server writes."""

    def order(self, order_id: str) -> Document: ...

    def deliveries(self, order_id: str) -> list[Document]: ...

    def stored(self) -> Stored: ...

    def close(self) -> None: ...


class SqliteShelf:
    """The file `daifu.db` in this folder."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "daifu.db"

    def order(self, order_id: str) -> Document:
        with self._open() as connection:
            row = connection.execute("SELECT doc FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        document: Document = json.loads(row["doc"])
        return document

    def deliveries(self, order_id: str) -> list[Document]:
        with self._open() as connection:
            rows = connection.execute("SELECT doc FROM deliveries WHERE order_id = ?", (order_id,)).fetchall()
        return [json.loads(row["doc"]) for row in rows]

    def stored(self) -> Stored:
        with self._open() as connection:
            documents = [json.loads(row["doc"]) for row in connection.execute("SELECT doc FROM orders")]
            rewards = [dict(row) for row in connection.execute("SELECT * FROM rewards")]
        return Stored({document["order_id"]: document for document in documents}, rewards)

    def close(self) -> None:
        """Nothing is kept open: the next server must find the file as it was left."""

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection


class MongoShelf:
    """The database this address names."""

    def __init__(self, url: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(url)
        self._database: Database[dict[str, Any]] = self._client.get_default_database()

    def order(self, order_id: str) -> Document:
        document = self._database["orders"].find_one({"_id": order_id})
        assert document is not None, order_id
        return document

    def deliveries(self, order_id: str) -> list[Document]:
        return [*self._database["deliveries"].find({"order_id": order_id})]

    def stored(self) -> Stored:
        orders = {document["_id"]: document for document in self._database["orders"].find()}
        rewards = [{**document, "reward_id": document["_id"]} for document in self._database["rewards"].find()]
        return Stored(orders, rewards)

    def close(self) -> None:
        self._client.close()
