"""What is on the disk, read past daifu: every row of every table through a connection of our own."""

import sqlite3
from contextlib import closing
from typing import Any

from tests.running import Daifu

# What daifu writes by itself: a readiness check's beats, the journal of what was posted to us, and statistics.
OF_ITS_OWN = ("heartbeat", "notifies", "rollups")

Rows = dict[str, list[tuple[Any, ...]]]


def stored(daifu: Daifu) -> Rows:
    """Return all rows by table, but for what daifu writes by itself."""
    path = daifu.services.settings.data_dir / "daifu.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in tables
            if table not in OF_ITS_OWN
        }
