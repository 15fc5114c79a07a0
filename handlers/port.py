"""One process's end of the port, whichever front reads it."""

import socket
from collections.abc import Iterable
from typing import Final, Protocol

RESERVED_FILES: Final = 64


class Port(Protocol):
    """
    Who is connected, which requests are still coming in, and how to take no more without cutting anybody off.

    Filled by `listener.Listener` (Tornado's own HTTP server) and `front.front.Front`.
    """

    begun: int
    """How many requests ever began to come in."""

    @property
    def connections(self) -> int:
        """How many HTTP connections are open. A watch socket is none: it left with its handshake."""
        ...

    @property
    def coming_in(self) -> int:
        """How many requests have not come in whole; only then the application knows of them."""
        ...

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Serve whoever connects to these; they listen already."""
        ...

    def take_no_more(self) -> None:
        """
        Close the port. From now on every answer is the last one on its connection, and says so (`Connection: close`),
        so that a balancer takes its next request elsewhere before this connection ends.
        """
        ...

    async def close_all_connections(self) -> None:
        """End them all, whatever they are at."""
        ...
