"""
Requests as bytes over connections of our own, one under way on each, and nothing that costs more than that.

It knows of HTTP only what it needs to find the end of an answer that says its length, and tells right answers from
wrong ones by a piece of bytes they must contain. Its loop blocks: it is the only thing its core does.
"""

import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from benchmarks.raw_pages import RawPages

HEAD_END: Final = b"\r\n\r\n"
OK: Final = b"HTTP/1.1 200"
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE_S: Final = 20
FOREVER_S: Final = 1e9


@dataclass
class Slice:
    """
    What came back in `seconds`. An answer is wrong if it is not 200 or does not say what was expected; `refused` are
    the requests that got such answers.

    `busy_s` is the CPU time of the driver itself: a slice in which it was busy most of the time measured the driver.
    """

    answers: int = 0
    seconds: float = 0.0
    busy_s: float = 0.0
    last_wrong: bytes = b""
    refused: list[bytes] = field(default_factory=list)
    due_s: dict[int, float] = field(default_factory=dict)

    @property
    def wrong(self) -> int:
        return len(self.refused)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    @property
    def busy_share(self) -> float:
        return self.busy_s / self.seconds


class _Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self.came = b""
        self.request = b""
        self.socket = self._connected()
        self.served = 0

    def _connected(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def renew(self) -> None:
        """Go on over another connection."""
        self.socket.close()
        self.socket = self._connected()

    def take(self) -> bytes:
        """Return the answer if it is whole, else nothing."""
        data = self.socket.recv(16384)
        if not data:
            raise ConnectionError("the server ended a connection")
        came = self.came + data if self.came else data
        head = came.find(HEAD_END)
        length = LENGTH.search(came, 0, head) if head >= 0 else None
        if head < 0 or len(came) < head + 4 + (int(length[1]) if length is not None else 0):
            self.came = came
            return b""
        self.came = b""
        return came


class RawClient:
    """
    A number of connections to one server.

    Args:
        requests_each: So many requests go over one connection before another one takes its place; 0 for all of them.
        pages: Sockets that watch meanwhile; a run ends when each of them has seen what it waits for.
    """

    def __init__(self, port: int, connections: int, *, requests_each: int = 0, pages: RawPages | None = None) -> None:
        self._connections = {each.socket.fileno(): each for each in (_Connection(port) for _ in range(connections))}
        self._requests_each = requests_each
        self._pages = pages
        self._ready = select.epoll()
        for number in self._connections:
            self._ready.register(number, select.EPOLLIN)
        if pages is not None:
            self._ready.register(pages.fileno(), select.EPOLLIN)

    def run(self, requests: Iterator[bytes], seconds: float = FOREVER_S, *, expected: bytes = b"") -> Slice:
        """
        Send as fast as answers come, until the time is over or there are no more requests; wait for the last.

        Raises:
            TimeoutError, ConnectionError: The server does not answer.
        """
        done = Slice()
        begin_s, busy_s = time.perf_counter(), time.process_time()
        under_way = sum(_send(connection, request) for connection, request in self._first(requests))
        while under_way or self._is_waiting_for_pages:
            for connection, answer in self._answers(PATIENCE_S):
                under_way -= 1
                _count(done, connection.request, answer, expected)
                if time.perf_counter() - begin_s < seconds and (request := next(requests, None)) is not None:
                    under_way += self._send_on(connection, request)
        done.seconds = time.perf_counter() - begin_s
        done.busy_s = time.process_time() - busy_s
        return done

    def run_paced(self, requests: Sequence[bytes], rate: float, *, expected: bytes = b"") -> Slice:
        """
        Send `rate` requests a second, whatever becomes of the earlier ones; `due_s` says when each was to go out.

        Raises:
            TimeoutError, ConnectionError: The server does not answer.
        """
        done = Slice()
        begin_s, busy_s = time.perf_counter(), time.process_time()
        done.due_s = {number: begin_s + number / rate for number in range(len(requests))}
        idle, sent = list(self._connections.values()), 0
        while sent < len(requests) or len(idle) < len(self._connections) or self._is_waiting_for_pages:
            while idle and sent < len(requests) and done.due_s[sent] <= time.perf_counter():
                _send(idle.pop(), requests[sent])
                sent += 1
            wait_s = done.due_s[sent] - time.perf_counter() if sent < len(requests) and idle else PATIENCE_S
            for connection, answer in self._answers(max(0.0, wait_s), is_patient=wait_s < PATIENCE_S):
                _count(done, connection.request, answer, expected)
                idle.append(connection)
        done.seconds = time.perf_counter() - begin_s
        done.busy_s = time.process_time() - busy_s
        return done

    def close(self) -> None:
        self._ready.close()
        for connection in self._connections.values():
            connection.socket.close()

    @property
    def _is_waiting_for_pages(self) -> bool:
        return self._pages is not None and self._pages.waiting > 0

    def _first(self, requests: Iterator[bytes]) -> list[tuple[_Connection, bytes]]:
        connections = list(self._connections.values())
        return list(zip(connections, islice(requests, len(connections)), strict=False))

    def _answers(self, wait_s: float, *, is_patient: bool = False) -> Iterator[tuple[_Connection, bytes]]:
        """Yield what is answered now; pages are read on the way."""
        ready = self._ready.poll(wait_s)
        if not ready and not is_patient:
            raise TimeoutError("no answer, or a page was not told")
        for number, _ in ready:
            connection = self._connections.get(number)
            if connection is None:
                if self._pages is not None:
                    self._pages.take_ready()
            elif answer := connection.take():
                yield connection, answer

    def _send_on(self, connection: _Connection, request: bytes) -> int:
        connection.served += 1
        if connection.served == self._requests_each:
            connection.served = 0
            del self._connections[connection.socket.fileno()]
            connection.renew()
            self._connections[connection.socket.fileno()] = connection
            self._ready.register(connection.socket.fileno(), select.EPOLLIN)
        return _send(connection, request)


@contextmanager
def a_raw_client(
    port: int, connections: int, *, requests_each: int = 0, pages: RawPages | None = None
) -> Iterator[RawClient]:
    client = RawClient(port, connections, requests_each=requests_each, pages=pages)
    try:
        yield client
    finally:
        client.close()


def _send(connection: _Connection, request: bytes) -> int:
    connection.request = request
    connection.socket.sendall(request)
    return 1


def _count(done: Slice, request: bytes, answer: bytes, expected: bytes) -> None:
    done.answers += 1
    if not answer.startswith(OK) or expected not in answer:
        done.refused.append(request)
        done.last_wrong = answer
