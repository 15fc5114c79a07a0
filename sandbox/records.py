"""What must outlive the process: JSON documents by kind and key, written through to one SQLite file."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

# The simulator promises to survive kill -9, not a power cut: the operating system's cache is enough.
_PRAGMAS: Final = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF")
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, doc BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
)


class Records:
    """A `put` is on disk, as far as a killed process is concerned, when it returns. No directory: memory only."""

    def __init__(self, data_dir: Path | None) -> None:
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(data_dir / "sandbox.db" if data_dir else ":memory:", isolation_level=None)
        for statement in (*_PRAGMAS, _TABLE):
            self._db.execute(statement)

    def put(self, kind: str, key: str, doc: object) -> None:
        self._db.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (kind, key, msgspec.json.encode(doc)))

    def delete(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))

    def get(self, kind: str, key: str, doc_type: type[T]) -> T | None:
        row = self._db.execute("SELECT doc FROM records WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=doc_type)

    def all(self, kind: str, doc_type: type[T]) -> Iterator[tuple[str, T]]:
        """Yield every (key, document) of a kind in the order of their keys."""
        rows = self._db.execute("SELECT key, doc FROM records WHERE kind = ? ORDER BY key", (kind,))
        return ((key, msgspec.json.decode(doc, type=doc_type)) for key, doc in rows.fetchall())

    def close(self) -> None:
        self._db.close()
