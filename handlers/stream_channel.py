"""A connection that left HTTP on Tornado's own server."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

from tornado.iostream import IOStream, StreamClosedError

from handlers.channel import GOODBYE_S, Talker

READ_BYTES: Final = 64 * 1024


class StreamChannel:
    """Fills channel.Channel over a stream that a RequestHandler detached."""

    def __init__(self, stream: IOStream, head: bytes, talker: Talker) -> None:
        self._stream = stream
        self._talker = talker
        self._held: bytes | None = head
        self._is_ending = False
        self._is_cut_soon = False
        self.is_clogged = False
        stream.set_close_callback(talker.lost)
        talker.begin(self)
        self._read()

    def write(self, data: bytes) -> bool:
        if self._held is not None:
            self._held += data
            return True
        if self._is_ending:
            return not self.is_clogged
        try:
            written = self._stream.write(data)
        except StreamClosedError:
            return True  # `lost` follows
        if written.done():
            written.exception()
        else:
            self.is_clogged = True
            written.add_done_callback(self._written)
        return not self.is_clogged

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self.write(held)

    def expect_end(self) -> None:
        self.release()
        if not self._is_cut_soon:
            self._is_cut_soon = True
            self._stream.io_loop.call_later(GOODBYE_S, self._stream.close)

    def end(self) -> None:
        if self._is_ending:
            return
        self.expect_end()
        self._is_ending = True
        if not self.is_clogged:
            self._say_end()

    def cut(self) -> None:
        self._is_ending = True
        self._stream.close()

    def _say_end(self) -> None:
        if not self._stream.closed():
            with suppress(OSError):  # the client was faster
                self._stream.socket.shutdown(socket.SHUT_WR)
            self._read()

    def _read(self) -> None:
        """Wait for what comes next, unless somebody does already."""
        if self.is_clogged or self._stream.closed() or self._stream.reading():
            return
        with suppress(StreamClosedError):  # `lost` follows
            came = asyncio.ensure_future(self._stream.read_bytes(READ_BYTES, partial=True))
            came.add_done_callback(self._came)

    def _came(self, came: "asyncio.Future[bytes]") -> None:
        if came.cancelled() or came.exception() is not None:
            return  # `lost` was called
        if not self._is_ending:
            self._talker.received(came.result())
        self._read()

    def _written(self, written: "asyncio.Future[None]") -> None:
        if written.cancelled() or written.exception() is not None or self._stream.writing():
            return
        self.is_clogged = False
        if self._is_ending:
            self._say_end()
            return
        self._read()
        self._talker.written()
