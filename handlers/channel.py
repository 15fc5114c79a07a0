"""A connection that left HTTP: bytes both ways, as long as both want it."""

from collections.abc import Callable
from typing import Final, Protocol

GOODBYE_S: Final = 10  # how long a client may take to read our last words, and to say its own


class Channel(Protocol):
    """
    What whoever speaks on a connection may do with it.

    Filled by `front.channel.FrontChannel` and, on Tornado's own server, by `stream_channel.StreamChannel`.
    """

    @property
    def is_clogged(self) -> bool:
        """Does the kernel take no more, because the client does not read? Then nothing it sends is read either."""
        ...

    def write(self, data: bytes) -> bool:
        """Send this; True if nothing of it waits here, else `Talker.written` is called once nothing does."""
        ...

    def release(self) -> None:
        """
        Send what is held back: the answer's head, and all that was written since. Nothing is from now on.

        Until then a client costs no system call, and what it hears first is one packet.
        """
        ...

    def expect_end(self) -> None:
        """Release, and give the client `GOODBYE_S` to end the connection before it is cut. It is still heard."""
        ...

    def end(self) -> None:
        """Send nothing after what was written; the client is not heard any more, and has `GOODBYE_S` to read."""
        ...

    def cut(self) -> None:
        """End at once, whatever was still to be sent."""
        ...


class Talker(Protocol):
    """Who speaks on a channel; called on the loop, never awaited."""

    def begin(self, channel: Channel) -> None:
        """This is yours now. Called before anything else."""
        ...

    def received(self, data: bytes) -> None:
        """The client sent this."""
        ...

    def written(self) -> None:
        """Everything is with the kernel."""
        ...

    def lost(self) -> None:
        """It is over; called once, whoever ended it."""
        ...


Leave = Callable[[bytes, Talker], None]
"""
Leaves a request's connection to whoever speaks there from then on. These bytes answer the request; they are held back
until he calls `Channel.release`.
"""
