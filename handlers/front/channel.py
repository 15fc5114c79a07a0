"""A client that left HTTP: its transport and whoever speaks on it, and nothing else."""

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING

from handlers.channel import GOODBYE_S, Talker

if TYPE_CHECKING:
    from handlers.front.owner import Owner


class FrontChannel(asyncio.BufferedProtocol):
    """
    Fills channel.Channel on a transport whose high-water mark is 0: it clogs as soon as the kernel takes no more.

    There may be ten thousand of them, and most of them are idle. `deadline_s` is when the owner should `time_out` it.
    """

    __slots__ = ("_held", "_is_ending", "_owner", "_talker", "_transport", "deadline_s", "is_clogged")

    def __init__(self, owner: "Owner", transport: asyncio.Transport, talker: Talker) -> None:
        self._owner = owner
        self._transport = transport
        self._talker = talker
        self._held: bytes | None = b""
        self._is_ending = False
        self.is_clogged = False
        self.deadline_s = math.inf

    def begin(self, head: bytes, unread: bytes) -> None:
        """Take the transport over from HTTP; `head` is the answer, and `unread` what came behind the request."""
        self._transport.set_protocol(self)
        self._held = head
        self._talker.begin(self)
        if unread:
            self._talker.received(unread)
        if not self.is_clogged:
            self._transport.resume_reading()

    # What the talker calls.

    def write(self, data: bytes) -> bool:
        if self._held is not None:
            self._held += data
        elif not self._is_ending:
            self._transport.write(data)
        return not self.is_clogged

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self.write(held)

    def expect_end(self) -> None:
        self.release()
        self.deadline_s = min(self.deadline_s, self._owner.now_s() + GOODBYE_S)

    def end(self) -> None:
        if self._is_ending:
            return
        self.expect_end()
        self._is_ending = True
        # What is left unread when a socket closes resets the connection, and the client might lose our last words.
        self._transport.resume_reading()
        with suppress(OSError):  # the client was faster
            self._transport.write_eof()

    def cut(self) -> None:
        self._is_ending = True
        self._transport.abort()

    # What the owner calls.

    def time_out(self) -> None:
        """It took too long to end."""
        self.cut()

    # What the event loop calls.

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._owner.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._is_ending:
            self._talker.received(bytes(self._owner.buffer[:nbytes]))

    def pause_writing(self) -> None:
        self.is_clogged = True
        if not self._is_ending:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.is_clogged = False
        self._transport.resume_reading()
        self._talker.written()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ending = True
        self._owner.forget_channel(self)
        self._talker.lost()
