"""A connection that left HTTP, as the stream Tornado's WebSocket reads and writes."""

import os
import socket

from tornado.iostream import IOStream


class HandedStream(IOStream):
    """An IOStream whose first bytes have been read already, behind the request that asked to upgrade."""

    def __init__(self, taken_over: socket.socket, already_read: bytes) -> None:
        self._already_read = already_read
        super().__init__(taken_over)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        if not self._already_read:
            return super().read_from_fd(buf)
        taken = self._already_read[: len(buf)]
        self._already_read = self._already_read[len(taken) :]
        buf[: len(taken)] = taken
        return len(taken)


def take_over(file_number: int, already_read: bytes) -> HandedStream:
    """Return a stream on the same connection; its owner may then close the file he has of it."""
    return HandedStream(socket.socket(fileno=os.dup(file_number)), already_read)
