"""
Is the port we are about to load really held by the process we started?

A server that did not come up leaves its port to whoever had it before, and a number measured there is a lie.
"""

from pathlib import Path
from typing import Final

LISTENING: Final = "0A"


class ForeignListenerError(Exception):
    """Somebody else, or nobody, listens on the port. Nothing was sent."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        super().__init__(f"port {port} is not held by process {pid}, which was started for it")


def check_listener(port: int, pid: int) -> None:
    """
    Return if this process holds a listening TCP socket on this port.

    Raises:
        ForeignListenerError: It does not.
    """
    held = _sockets_of(pid)
    if not any(inode in held for inode in _listening_on(port)):
        raise ForeignListenerError(port, pid)


def _listening_on(port: int) -> list[str]:
    """Return the inodes of the sockets that listen on this port.  Source: proc(5), /proc/net/tcp."""
    rows = (line.split() for table in ("tcp", "tcp6") for line in _rows(Path("/proc/net") / table))
    return [row[9] for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _rows(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:] if table.exists() else []


def _sockets_of(pid: int) -> set[str]:
    inodes = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            kind, _, inode = str(_target(link)).partition(":[")
            if kind == "socket":
                inodes.add(inode.rstrip("]"))
    except FileNotFoundError:
        return set()  # the process is gone
    return inodes


def _target(link: Path) -> Path:
    try:
        return link.readlink()
    except FileNotFoundError:
        return Path()  # closed meanwhile
