"""What every drawing shares: a console, times, and what strangers wrote made harmless."""

import sys
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH: Final = 200  # nobody's screen: no number may be broken


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)


def a_table(title: str, *columns: str) -> Table:
    """Return an empty table whose cells fold and are never cut."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def add_row(table: Table, *cells: object) -> None:
    """Add a row of plain text; None and "" are a dash."""
    table.add_row(*(Text(printable("–" if cell in (None, "") else str(cell))) for cell in cells))


def utc(at_ms: int | None) -> str:
    """Return a moment for reading, in UTC, to the second."""
    return "" if at_ms is None else datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def printable(text: str) -> str:
    """Return it with everything escaped that a terminal would obey instead of show."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
