"""The reports of reconciled days in the SQLite file."""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Final

from msgspec import DecodeError, ValidationError, json

from server.domain.reconciliation import Reconciliation
from server.errors import StoreCorrupt
from server.stores.sqlite_worker import Worker

_encode: Final = json.Encoder().encode
_decode: Final = json.Decoder(Reconciliation).decode


class SqliteReconciliations:
    """Fills `ports.Reconciliations` with the workers of an open file; whoever opened it closes them."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def claim(self, day: str, *, now_ms: int, lease_ms: int) -> bool:
        return await self._writer.run(_claim, day, now_ms, now_ms + lease_ms)

    async def keep(self, report: Reconciliation) -> None:
        await self._writer.run(_keep, report.day, _encode(report))

    async def newest(self, *, limit: int) -> Sequence[Reconciliation]:
        return [report_of(*row) for row in await self._reader.run(_select_newest, limit)]


def report_of(day: str, doc: bytes) -> Reconciliation:
    """
    Read the columns `day, doc`.

    Raises:
        StoreCorrupt: The document is not one.
    """
    try:
        return _decode(doc)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"reconciliation of {day}") from error


# From here on everything runs in a worker's thread: rows in, rows out.


def _claim(connection: Connection, day: str, now_ms: int, until_ms: int) -> bool:
    sql = (
        "INSERT INTO reconciliations (day, claimed_until_ms) VALUES (?, ?) ON CONFLICT (day)"
        " DO UPDATE SET claimed_until_ms = excluded.claimed_until_ms WHERE doc IS NULL AND claimed_until_ms <= ?"
    )
    return connection.execute(sql, (day, until_ms, now_ms)).rowcount == 1


def _keep(connection: Connection, day: str, doc: bytes) -> None:
    sql = (
        "INSERT INTO reconciliations (day, claimed_until_ms, doc) VALUES (?, 0, ?)"
        " ON CONFLICT (day) DO UPDATE SET claimed_until_ms = 0, doc = excluded.doc"
    )
    connection.execute(sql, (day, doc))


def _select_newest(connection: Connection, limit: int) -> list[tuple[str, bytes]]:
    sql = "SELECT day, doc FROM reconciliations WHERE doc IS NOT NULL ORDER BY day DESC LIMIT ?"
    return connection.execute(sql, (limit,)).fetchall()
