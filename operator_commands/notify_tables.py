"""Notifies, drawn."""

import re
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from operator_commands.drawing import a_table, add_row, printable, utc
from server.domain.notify import Notify

_BEFORE_A_FIELD: Final = re.compile(r">(<[a-z])")


def notify_list(notifies: Sequence[Notify]) -> Table:
    """Return a line for each notify; times are UTC."""
    table = a_table("Notifies", "notify_id", "received", "route", "verdict", "reason", "order", "from", "bytes")
    for notify in notifies:
        add_row(
            table,
            notify.notify_id,
            utc(notify.received_at_ms),
            notify.route,
            notify.verdict,
            notify.reason,
            notify.order_id,
            notify.peer,
            notify.size_bytes,
        )
    return table


def notify_details(notify: Notify) -> RenderableType:
    """Return all there is of one notify; of its body a line for each line of it."""
    headers = a_table("Headers", "name", "value")
    for name, value in notify.headers.items():
        add_row(headers, name, value)
    kept = "" if notify.is_whole else f" (the first {len(notify.body)} of {notify.size_bytes} bytes)"
    lines = _BEFORE_A_FIELD.sub(r">\n\1", notify.body.decode(errors="backslashreplace")).split("\n")
    body = Text("\n".join(map(printable, lines)))
    return Group(notify_list([notify]), headers, Text(f"Body{kept}"), body)
