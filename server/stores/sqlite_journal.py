"""
The journal of notifies in the SQLite file.

It is written by the store's own writer, so its rows come along with the payments of the same moment instead of
competing with them for the file.
"""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Final

import structlog
from msgspec import DecodeError, ValidationError, json

from server.domain.notify import Notify, NotifyFilter, notify_id_at
from server.errors import NotifyNotFound, StoreCorrupt
from server.stores.sqlite_worker import Worker

_encode: Final = json.Encoder().encode
_decode: Final = json.Decoder(Notify).decode

_NEWEST: Final = (
    "SELECT notify_id, doc FROM notifies WHERE notify_id >= ?1 AND (?2 IS NULL OR verdict = ?2)"
    " ORDER BY notify_id DESC LIMIT ?3"
)
_NEWEST_OF_ORDER: Final = (
    "SELECT notify_id, doc FROM notifies WHERE order_id = ?4 AND order_id <> ''"
    " AND notify_id >= ?1 AND (?2 IS NULL OR verdict = ?2)"
    " ORDER BY notify_id DESC LIMIT ?3"
)

_log = structlog.get_logger(__name__)

_Row = tuple[str, str, str, bytes]


class SqliteJournal:
    """Fills `ports.Journal` with the workers of an open file; whoever opened it closes them."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def keep(self, notifies: Sequence[Notify]) -> None:
        rows = [(n.notify_id, n.verdict.value, n.order_id, _encode(n)) for n in notifies]
        await self._writer.run(_insert, rows)

    async def get(self, notify_id: str) -> Notify:
        doc = await self._reader.run(_select, notify_id)
        if doc is None:
            raise NotifyNotFound(notify_id)
        return notify_of(notify_id, doc)

    async def find(self, wanted: NotifyFilter, *, limit: int) -> Sequence[Notify]:
        rows = await self._reader.run(_select_newest, wanted, limit)
        return [notify for notify_id, doc in rows for notify in _readable(notify_id, doc)]

    async def forget(self, *, before_ms: int, limit: int) -> int:
        return await self._writer.run(_delete, notify_id_at(before_ms), limit)


def notify_of(notify_id: str, doc: bytes) -> Notify:
    """
    Read the columns `notify_id, doc`.

    Raises:
        StoreCorrupt: The document is not one.
    """
    try:
        return _decode(doc)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"notify {notify_id}") from error


def _readable(notify_id: str, doc: bytes) -> list[Notify]:
    try:
        return [notify_of(notify_id, doc)]
    except StoreCorrupt:
        _log.exception("notify_unreadable", notify_id=notify_id)
        return []


# From here on everything runs in a worker's thread: rows in, rows out.


def _insert(connection: Connection, rows: list[_Row]) -> None:
    sql = (
        "INSERT INTO notifies (notify_id, verdict, order_id, doc) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (notify_id) DO NOTHING"
    )
    connection.executemany(sql, rows)


def _select(connection: Connection, notify_id: str) -> bytes | None:
    row = connection.execute("SELECT doc FROM notifies WHERE notify_id = ?", (notify_id,)).fetchone()
    return None if row is None else row[0]


def _select_newest(connection: Connection, wanted: NotifyFilter, limit: int) -> list[tuple[str, bytes]]:
    parameters = (notify_id_at(wanted.since_ms or 0), wanted.verdict, limit, wanted.order_id)
    if wanted.order_id:
        return connection.execute(_NEWEST_OF_ORDER, parameters).fetchall()
    return connection.execute(_NEWEST, parameters[:3]).fetchall()


def _delete(connection: Connection, before: str, limit: int) -> int:
    sql = "DELETE FROM notifies WHERE notify_id IN (SELECT notify_id FROM notifies WHERE notify_id < ? LIMIT ?)"
    return connection.execute(sql, (before, limit)).rowcount
