"""What leaves for one client, and who waits until the kernel has taken it."""

import asyncio

from tornado.iostream import StreamClosedError


class Outgoing:
    """
    One connection's way out. With a high-water mark of 0 the transport says `clog` as soon as the kernel takes no more
    and `unclog` when it has taken everything: a write is done when nothing of it is left with us.
    """

    __slots__ = ("_is_closed", "_transport", "_waiting", "is_clogged")

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._waiting: list[asyncio.Future[None]] = []
        self._is_closed = False
        self.is_clogged = False

    def write(self, data: bytes) -> "asyncio.Future[None]":
        """Send this. The future is done when it has left, and fails with StreamClosedError if it never will."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._is_closed:
            _fail(future)
            return future
        self._transport.write(data)
        if self.is_clogged:
            self._waiting.append(future)
        else:
            future.set_result(None)
        return future

    def clog(self) -> None:
        self.is_clogged = True

    def unclog(self) -> None:
        self.is_clogged = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Nothing leaves any more."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            _fail(future)


def _fail(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_exception(StreamClosedError())
        future.exception()  # nobody has to ask
