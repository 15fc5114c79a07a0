"""The statistics in the SQLite file: traces, roll-ups, and what they ask of users and orders."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Final
from urllib.parse import quote

from msgspec import DecodeError, ValidationError, json

from server.domain.day_stats import DayStats, Trace, TraceKind, Visitor
from server.errors import ConfigError, StoreCorrupt
from server.ports import MAX_TRACES
from server.stores.sqlite_worker import Worker

_encode: Final = json.Encoder().encode
_decode: Final = json.Decoder(DayStats).decode


class SqliteStats:
    """Fills `ports.StatsStore` through the workers of the SqliteStore that has the file open."""

    def __init__(self, workers: tuple[Worker, Worker]) -> None:
        self._writer, self._reader = workers

    async def leave_trace(self, trace: Trace) -> None:
        await self._writer.run(_leave_trace, trace)

    async def traces(self, *, first: str, last: str) -> Mapping[str, frozenset[TraceKind]]:
        found: defaultdict[str, set[TraceKind]] = defaultdict(set)
        for order_id, kind in await self._reader.run(_select_traces, first, last):
            found[order_id].add(TraceKind(kind))
        return {order_id: frozenset(kinds) for order_id, kinds in found.items()}

    async def visitors(self, order_id: str, *, limit: int) -> Sequence[Visitor]:
        return [Visitor(*row) for row in await self._reader.run(_select_visitors, order_id, limit)]

    async def last_orders(self, openids: Collection[str], *, before: str) -> Mapping[str, str]:
        return await self._reader.run(_select_last_orders, tuple(openids), before)

    async def unbrought(self, openids: Collection[str]) -> Mapping[str, int]:
        return await self._reader.run(_select_unbrought, tuple(openids))

    async def count_newcomers(self, *, from_ms: int, before_ms: int) -> int:
        return await self._reader.run(_count_newcomers, from_ms, before_ms)

    async def keep_rollup(self, rollup: DayStats) -> None:
        await self._writer.run(_keep_rollup, rollup.day, rollup.as_of_ms, _encode(rollup))

    async def rollups(self, *, first: str, last: str) -> Sequence[DayStats]:
        return [_rollup(doc) for doc in await self._reader.run(_select_rollups, first, last)]


def read_rollups(path: Path, *, first: str, last: str) -> Sequence[DayStats]:
    """
    Read roll-ups past a server that has the file open. Blocks; not for the event loop.

    Raises:
        ConfigError: The file cannot be read.
        StoreCorrupt: A roll-up cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            docs = _select_rollups(connection, first, last)
    except sqlite3.Error as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return [_rollup(doc) for doc in docs]


def _rollup(doc: bytes) -> DayStats:
    try:
        return _decode(doc)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt("a day's statistics") from error


# From here on everything runs in a worker's thread: rows in, rows out.


def _leave_trace(connection: Connection, trace: Trace) -> None:
    sql = (
        "INSERT INTO traces (trace_id, order_id, kind, openid, at_ms) SELECT ?, ?, ?, ?, ?"
        " WHERE (SELECT count(*) FROM traces WHERE trace_id BETWEEN ? AND ?) < ?"
        " ON CONFLICT DO NOTHING"
    )
    row = (trace.trace_id, trace.order_id, trace.kind, trace.openid, trace.at_ms)
    connection.execute(sql, (*row, *_ids(trace.order_id, trace.order_id), MAX_TRACES))


def _ids(first: str, last: str) -> tuple[str, str]:
    """Return the ends of the trace ids of the orders from `first` to `last`."""
    return f"{first}:", f"{last};"  # the character after ":"


def trace_of(row: tuple[Any, ...]) -> Trace:
    """Read the columns `trace_id, order_id, kind, openid, at_ms`."""
    _, order_id, kind, openid, at_ms = row
    return Trace(order_id, TraceKind(kind), openid, at_ms)


def _select_traces(connection: Connection, first: str, last: str) -> list[tuple[str, str]]:
    sql = "SELECT DISTINCT order_id, kind FROM traces WHERE trace_id BETWEEN ? AND ?"
    return connection.execute(sql, _ids(first, last)).fetchall()


def _select_visitors(connection: Connection, order_id: str, limit: int) -> list[tuple[str, str, int]]:
    sql = (
        "SELECT name, avatar, at_ms FROM traces JOIN users USING (openid)"
        " WHERE trace_id BETWEEN ? AND ? AND kind = ? ORDER BY at_ms DESC, trace_id DESC LIMIT ?"
    )
    return connection.execute(sql, (*_ids(order_id, order_id), TraceKind.OPENED, limit)).fetchall()


def _select_last_orders(connection: Connection, openids: tuple[str, ...], before: str) -> dict[str, str]:
    # One descent of the index each; a GROUP BY would walk through all orders of a busy initiator.
    sql = "SELECT max(order_id) FROM orders WHERE initiator = ? AND order_id < ?"
    found = {openid: connection.execute(sql, (openid, before)).fetchone()[0] for openid in openids}
    return {openid: order_id for openid, order_id in found.items() if order_id is not None}


def _select_unbrought(connection: Connection, openids: tuple[str, ...]) -> dict[str, int]:
    sql = "SELECT openid, first_seen_ms FROM users WHERE openid IN (SELECT value FROM json_each(?)) AND brought_by = ''"
    return dict(connection.execute(sql, (json.encode(openids).decode(),)).fetchall())


def _count_newcomers(connection: Connection, from_ms: int, before_ms: int) -> int:
    sql = "SELECT count(*) FROM users WHERE first_seen_ms >= ? AND first_seen_ms < ? AND brought_by <> ''"
    return int(connection.execute(sql, (from_ms, before_ms)).fetchone()[0])


def _keep_rollup(connection: Connection, day: str, as_of_ms: int, doc: bytes) -> None:
    sql = (
        "INSERT INTO rollups (day, as_of_ms, doc) VALUES (?, ?, ?)"
        " ON CONFLICT (day) DO UPDATE SET as_of_ms = excluded.as_of_ms, doc = excluded.doc"
        " WHERE excluded.as_of_ms >= rollups.as_of_ms"
    )
    connection.execute(sql, (day, as_of_ms, doc))


def _select_rollups(connection: Connection, first: str, last: str) -> list[bytes]:
    sql = "SELECT doc FROM rollups WHERE day BETWEEN ? AND ? ORDER BY day"
    return [doc for (doc,) in connection.execute(sql, (first, last)).fetchall()]
