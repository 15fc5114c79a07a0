"""
Orders in one SQLite file: the store of a single process.

A row is the order's document as JSON, and beside it only what is searched for. The loop encodes and decodes; a writer
thread and a reader thread (`sqlite_worker.py`) run the SQL. WAL lets the reader go on while the writer commits.
What makes a file one of ours, and when it is refused, is `sqlite_file.py`'s.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Self

import structlog
from msgspec import DecodeError, ValidationError, json

from server.domain.document import Order, OrderState
from server.domain.rewards import Reward
from server.domain.user import User
from server.errors import DuplicateOrder, OrderNotFound, StoreCorrupt
from server.ports import KeyClaim
from server.stores import sqlite_people
from server.stores.sqlite_deliveries import SqliteDeliveries
from server.stores.sqlite_file import OpenFile, open_file
from server.stores.sqlite_journal import SqliteJournal
from server.stores.sqlite_reconciliations import SqliteReconciliations
from server.stores.sqlite_worker import Health, Worker

# Between an order's making and its payment lie minutes. Some 5 KB each in memory.
MAX_RECENT: Final = 4096

_AFTER_EVERY_ID: Final = "~"  # sorts behind every ULID

_encode: Final = json.Encoder().encode
_decode: Final = json.Decoder(Order).decode

_log = structlog.get_logger(__name__)

_Row = tuple[str | int | bytes | None, ...]


class SqliteStore:
    """
    Fills `ports.Store`. Belongs to the event loop it was opened on.

    The file's lock keeps every other writer out, so what was committed last here is what a read would find: those
    orders are answered from memory, without a trip to the reader's thread. Only a commit puts an order there, never a
    read: one that was overtaken by a write would bring back the older order.
    """

    def __init__(self, file: OpenFile) -> None:
        health = Health()
        self._file = file
        self._recent: dict[str, Order] = {}  # last written last
        self._writer = Worker("sqlite-writer", file.writer, health=health, in_transaction=True)
        self._reader = Worker("sqlite-reader", file.reader, health=health, in_transaction=False)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """
        Open the file, or make it, for this process alone.

        Raises:
            ConfigError: The file is refused; the sentence names it and says what to do.
        """
        return cls(await asyncio.to_thread(open_file, path))

    @property
    def workers(self) -> tuple[Worker, Worker]:
        """The writer and the reader, for what else is kept in this file; they end with this store."""
        return self._writer, self._reader

    async def insert(self, order: Order) -> None:
        row = (order.order_id, order.rev, order.initiator.openid, order.state, order.due_at_ms, _encode(order))
        if not await self._writer.run(_insert, row):
            raise DuplicateOrder(order.order_id)
        self._keep(order)

    async def get(self, order_id: str) -> Order:
        if (order := self._recent.get(order_id)) is not None:
            return order
        doc = await self._reader.run(_select, order_id)
        if doc is None:
            raise OrderNotFound(order_id)
        return _order(order_id, doc)

    async def get_many(self, order_ids: Sequence[str]) -> Sequence[Order]:
        wanted = set(order_ids)
        recent = [self._recent[order_id] for order_id in wanted if order_id in self._recent]
        others = wanted.difference(order.order_id for order in recent)
        rows = await self._reader.run(_select_many, tuple(others)) if others else []
        return recent + [order for order_id, doc in rows if (order := _order_or_none(order_id, doc))]

    async def replace(self, order: Order, *, was_rev: int) -> bool:
        row = (order.rev, order.state, order.due_at_ms, _encode(order), order.order_id, was_rev)
        # Forgotten before and not after: a caller who is cancelled while he waits does not stop the write.
        self._recent.pop(order.order_id, None)
        is_written = await self._writer.run(_update, row)
        if is_written:
            self._keep(order)
        return is_written

    def _keep(self, order: Order) -> None:
        self._recent[order.order_id] = order
        if len(self._recent) > MAX_RECENT:
            del self._recent[next(iter(self._recent))]

    async def claim_due(self, now_ms: int, *, lease_ms: int, limit: int) -> Sequence[Order]:
        rows = await self._writer.run(_lease, now_ms, now_ms + lease_ms, limit)
        return [order for order_id, doc in rows if (order := _order_or_none(order_id, doc))]

    async def list_by_initiator(
        self, openid: str, *, before: str | None, limit: int, states: Sequence[OrderState] = tuple(OrderState)
    ) -> Sequence[Order]:
        rows = await self._reader.run(_select_by_initiator, openid, before or _AFTER_EVERY_ID, tuple(states), limit)
        return [_order(order_id, doc) for order_id, doc in rows]

    async def scan(self, *, after: str, before: str, limit: int) -> Sequence[Order]:
        orders: list[Order] = []
        while wanted := limit - len(orders):
            rows = await self._reader.run(_select_range, after, before, wanted)
            orders += [order for order_id, doc in rows if (order := _order_or_none(order_id, doc))]
            if len(rows) < wanted:
                break
            after = rows[-1][0]
        return orders

    async def list_orders(self, *, from_id: str, before: str, state: OrderState | None, limit: int) -> Sequence[Order]:
        rows = await self._reader.run(_select_between, from_id, before, state, limit)
        return [_order(order_id, doc) for order_id, doc in rows]

    async def claim_key(self, key: str, claim: KeyClaim) -> KeyClaim:
        return await self._writer.run(_claim, key, claim)

    async def forget_keys(self, *, before_ms: int, limit: int) -> int:
        return await self._writer.run(_forget_keys, before_ms, limit)

    async def find_key(self, key: str) -> KeyClaim | None:
        return await self._reader.run(_select_claim, key)

    async def find_user(self, openid: str) -> User | None:
        return await self._reader.run(sqlite_people.find, openid)

    async def remember_user(self, user: User) -> User:
        return await self._writer.run(sqlite_people.remember, user)

    async def bring_user(self, openid: str, *, brought_by: str) -> None:
        await self._writer.run(sqlite_people.bring, openid, brought_by)

    async def grant_reward(self, reward: Reward) -> bool:
        return await self._writer.run(sqlite_people.grant, reward)

    async def take_back_reward(self, reward_id: str, at_ms: int) -> None:
        await self._writer.run(sqlite_people.take_back, reward_id, at_ms)

    async def rewards_of(self, openid: str, *, limit: int) -> Sequence[Reward]:
        return await self._reader.run(sqlite_people.rewards_of, openid, limit)

    def deliveries(self) -> SqliteDeliveries:
        """Return the log of webhooks in the same file; it lives as long as this store."""
        return SqliteDeliveries(self._writer, self._reader)

    def journal(self) -> SqliteJournal:
        """Return the journal in the same file; it lives as long as this store."""
        return SqliteJournal(self._writer, self._reader)

    def reconciliations(self) -> SqliteReconciliations:
        """Return the reports in the same file; they live as long as this store."""
        return SqliteReconciliations(self._writer, self._reader)

    async def ping(self) -> None:
        """Write and read for real: a full disk takes reads and refuses writes."""
        await asyncio.gather(self._writer.run(_beat), self._reader.run(_count_beats))

    async def aclose(self) -> None:
        await self._reader.aclose()
        await self._writer.aclose()  # the last one to leave folds the log back into the file, and may not be read-only
        self._recent.clear()
        self._file.release()


def _order(order_id: str, doc: bytes) -> Order:
    try:
        return _decode(doc)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"order {order_id}") from error


def _order_or_none(order_id: str, doc: bytes) -> Order | None:
    """One unreadable document must not keep the relay from all others; it is reported again after every lease."""
    try:
        return _order(order_id, doc)
    except StoreCorrupt:
        _log.exception("order_unreadable", order_id=order_id)
        return None


# From here on everything runs in a worker's thread: rows in, rows out.


def _insert(connection: Connection, row: _Row) -> bool:
    sql = (
        "INSERT INTO orders (order_id, rev, initiator, state, due_at_ms, doc) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (order_id) DO NOTHING"
    )
    return connection.execute(sql, row).rowcount == 1


def _select(connection: Connection, order_id: str) -> bytes | None:
    row = connection.execute("SELECT doc FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    return None if row is None else row[0]


def _select_many(connection: Connection, order_ids: tuple[str, ...]) -> list[tuple[str, bytes]]:
    sql = "SELECT order_id, doc FROM orders WHERE order_id IN (SELECT value FROM json_each(?))"
    return connection.execute(sql, (json.encode(order_ids).decode(),)).fetchall()


def _update(connection: Connection, row: _Row) -> bool:
    sql = "UPDATE orders SET rev = ?, state = ?, due_at_ms = ?, doc = ? WHERE order_id = ? AND rev = ?"
    return connection.execute(sql, row).rowcount == 1


def _lease(connection: Connection, now_ms: int, until_ms: int, limit: int) -> list[tuple[str, bytes]]:
    """The lease is the due time itself, moved on: no column of its own, and the next `replace` sets the true one."""
    sql = "SELECT order_id, doc FROM orders WHERE due_at_ms <= ? ORDER BY due_at_ms, order_id LIMIT ?"
    rows = connection.execute(sql, (now_ms, limit)).fetchall()
    connection.executemany(
        "UPDATE orders SET due_at_ms = ? WHERE order_id = ?", [(until_ms, order_id) for order_id, _ in rows]
    )
    return rows


def _select_by_initiator(
    connection: Connection, openid: str, before: str, states: tuple[OrderState, ...], limit: int
) -> list[tuple[str, bytes]]:
    # `+state`: an index on it would lead through everybody's orders.
    sql = (
        "SELECT order_id, doc FROM orders WHERE initiator = ? AND order_id < ?"
        " AND +state IN (SELECT value FROM json_each(?)) ORDER BY order_id DESC LIMIT ?"
    )
    return connection.execute(sql, (openid, before, json.encode(states).decode(), limit)).fetchall()


def _select_range(connection: Connection, after: str, before: str, limit: int) -> list[tuple[str, bytes]]:
    sql = "SELECT order_id, doc FROM orders WHERE order_id > ? AND order_id < ? ORDER BY order_id LIMIT ?"
    return connection.execute(sql, (after, before, limit)).fetchall()


def _claim(connection: Connection, key: str, claim: KeyClaim) -> KeyClaim:
    sql = (
        "INSERT INTO idempotency (key, order_id, body_sha256, claimed_at_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (key) DO NOTHING"
    )
    if connection.execute(sql, (key, claim.order_id, claim.body_sha256, claim.claimed_at_ms)).rowcount == 1:
        return claim
    return _select_claim(connection, key) or claim


def _select_claim(connection: Connection, key: str) -> KeyClaim | None:
    sql = "SELECT order_id, body_sha256, claimed_at_ms FROM idempotency WHERE key = ?"
    row = connection.execute(sql, (key,)).fetchone()
    return None if row is None else KeyClaim(*row)


def _forget_keys(connection: Connection, before_ms: int, limit: int) -> int:
    sql = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE claimed_at_ms < ? LIMIT ?)"
    return connection.execute(sql, (before_ms, limit)).rowcount


def _select_between(
    connection: Connection, from_id: str, before: str, state: str | None, limit: int
) -> list[tuple[str, bytes]]:
    # Two statements, so that each goes along an index.
    if state is None:
        sql = "SELECT order_id, doc FROM orders WHERE order_id >= ? AND order_id < ? ORDER BY order_id DESC LIMIT ?"
        return connection.execute(sql, (from_id, before, limit)).fetchall()
    sql = (
        "SELECT order_id, doc FROM orders WHERE state = ? AND order_id >= ? AND order_id < ?"
        " ORDER BY order_id DESC LIMIT ?"
    )
    return connection.execute(sql, (state, from_id, before, limit)).fetchall()


def _beat(connection: Connection) -> None:
    connection.execute("UPDATE heartbeat SET beats = beats + 1")


def _count_beats(connection: Connection) -> int:
    return int(connection.execute("SELECT beats FROM heartbeat").fetchone()[0])
