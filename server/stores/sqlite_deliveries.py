"""The deliveries in the SQLite file: a row is the delivery as JSON, and beside it only what is searched for."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Self

from msgspec import DecodeError, ValidationError, json

from server.domain.delivery import Delivery, DeliveryState
from server.errors import StoreCorrupt
from server.stores.sqlite_file import open_beside
from server.stores.sqlite_worker import Health, Worker

_encode: Final = json.Encoder().encode
_decode: Final = json.Decoder(Delivery).decode

_Row = tuple[str | int | bytes | None, ...]
_Found = list[tuple[str, bytes]]


class SqliteDeliveries:
    """Fills `ports.Deliveries` with the threads of the store whose file it is."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    @classmethod
    async def open_beside(cls, path: Path) -> Self:
        """
        Open the file of a server that may be running. Nobody keeps deliveries in memory, so a second writer of them is
        no surprise to it.

        Raises:
            ConfigError: There is no such file, or it is another daifu's.
        """
        health = Health()
        writer, reader = open_beside(path), open_beside(path)
        return cls(
            Worker("deliveries-writer", writer, health=health, in_transaction=True),
            Worker("deliveries-reader", reader, health=health, in_transaction=False),
        )

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        await self._writer.run(_insert, [_row(delivery) for delivery in deliveries])

    async def get(self, delivery_id: str) -> Delivery | None:
        rows = await self._reader.run(_select, delivery_id)
        return next(iter(_deliveries(rows)), None)

    async def due(self, endpoint: str, now_ms: int, *, limit: int) -> Sequence[Delivery]:
        return _deliveries(await self._reader.run(_select_due, endpoint, now_ms, limit))

    async def waiting(self, order_id: str, endpoint: str, *, limit: int) -> Sequence[Delivery]:
        return _deliveries(await self._reader.run(_select_waiting, order_id, endpoint, limit))

    async def replace(self, delivery: Delivery, *, was_rev: int) -> bool:
        return await self._writer.run(_update, _row(delivery), was_rev)

    async def latest(self, *, state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
        return _deliveries(await self._reader.run(_select_latest, state, limit))

    async def of_order(self, order_id: str, *, limit: int) -> Sequence[Delivery]:
        return _deliveries(await self._reader.run(_select_of_order, order_id, limit))

    async def of_endpoint(self, endpoint: str, state: DeliveryState, *, limit: int) -> Sequence[Delivery]:
        return _deliveries(await self._reader.run(_select_of_endpoint, endpoint, state, limit))

    async def count(self, endpoint: str, state: DeliveryState, *, limit: int) -> int:
        return await self._reader.run(_count, endpoint, state, limit)

    async def forget(self, *, before_ms: int, limit: int) -> int:
        return await self._writer.run(_delete, before_ms, limit)

    async def aclose(self) -> None:
        """For whoever opened it beside a server; a store ends its threads itself."""
        await self._reader.aclose()
        await self._writer.aclose()


def delivery_of(row: tuple[str, bytes]) -> Delivery:
    """
    Read the columns `delivery_id, doc`.

    Raises:
        StoreCorrupt: It cannot be read.
    """
    try:
        return _decode(row[1])
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"delivery {row[0]}") from error


def _deliveries(rows: _Found) -> list[Delivery]:
    return [delivery_of(row) for row in rows]


def _row(delivery: Delivery) -> _Row:
    return (
        delivery.delivery_id,
        delivery.rev,
        delivery.endpoint,
        delivery.order_id,
        delivery.state,
        delivery.created_at_ms,
        delivery.due_at_ms,
        _encode(delivery),
    )


# From here on everything runs in a worker's thread: rows in, rows out.


def _insert(connection: Connection, rows: list[_Row]) -> None:
    sql = (
        "INSERT INTO deliveries (delivery_id, rev, endpoint, order_id, state, created_at_ms, due_at_ms, doc)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING"
    )
    connection.executemany(sql, rows)


def _select(connection: Connection, delivery_id: str) -> _Found:
    sql = "SELECT delivery_id, doc FROM deliveries WHERE delivery_id = ?"
    return connection.execute(sql, (delivery_id,)).fetchall()


def _select_due(connection: Connection, endpoint: str, now_ms: int, limit: int) -> _Found:
    sql = (
        "SELECT delivery_id, doc FROM deliveries WHERE endpoint = ? AND due_at_ms <= ?"
        " ORDER BY due_at_ms, delivery_id LIMIT ?"
    )
    return connection.execute(sql, (endpoint, now_ms, limit)).fetchall()


def _select_waiting(connection: Connection, order_id: str, endpoint: str, limit: int) -> _Found:
    sql = (
        "SELECT delivery_id, doc FROM deliveries WHERE order_id = ? AND endpoint = ? AND due_at_ms IS NOT NULL"
        " ORDER BY delivery_id LIMIT ?"
    )
    return connection.execute(sql, (order_id, endpoint, limit)).fetchall()


def _select_latest(connection: Connection, state: str | None, limit: int) -> _Found:
    sql = (
        "SELECT delivery_id, doc FROM deliveries WHERE ?1 IS NULL OR state = ?1"
        " ORDER BY created_at_ms DESC, delivery_id DESC LIMIT ?2"
    )
    return connection.execute(sql, (state, limit)).fetchall()


def _select_of_order(connection: Connection, order_id: str, limit: int) -> _Found:
    sql = (
        "SELECT delivery_id, doc FROM deliveries WHERE order_id = ?"
        " ORDER BY created_at_ms DESC, delivery_id DESC LIMIT ?"
    )
    return connection.execute(sql, (order_id, limit)).fetchall()


def _select_of_endpoint(connection: Connection, endpoint: str, state: str, limit: int) -> _Found:
    sql = (
        "SELECT delivery_id, doc FROM deliveries WHERE endpoint = ? AND state = ?"
        " ORDER BY created_at_ms DESC, delivery_id DESC LIMIT ?"
    )
    return connection.execute(sql, (endpoint, state, limit)).fetchall()


def _count(connection: Connection, endpoint: str, state: str, limit: int) -> int:
    sql = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE endpoint = ? AND state = ? LIMIT ?)"
    count: int = connection.execute(sql, (endpoint, state, limit)).fetchone()[0]
    return count


def _update(connection: sqlite3.Connection, row: _Row, was_rev: int) -> bool:
    delivery_id, rev, _, _, state, _, due_at_ms, doc = row
    sql = "UPDATE deliveries SET rev = ?, state = ?, due_at_ms = ?, doc = ? WHERE delivery_id = ? AND rev = ?"
    return connection.execute(sql, (rev, state, due_at_ms, doc, delivery_id, was_rev)).rowcount == 1


def _delete(connection: Connection, before_ms: int, limit: int) -> int:
    sql = (
        "DELETE FROM deliveries WHERE delivery_id IN"
        " (SELECT delivery_id FROM deliveries WHERE created_at_ms < ? LIMIT ?)"
    )
    return connection.execute(sql, (before_ms, limit)).rowcount
