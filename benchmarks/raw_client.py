"""
Requests as bytes over keep-alive connections, one under way on each, and nothing that costs more than that.

It knows of HTTP only what it needs to find the end of an answer that says its length.
"""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE_S: Final = 20


@dataclass
class Slice:
    """What came back in `seconds`."""

    answers: int = 0
    seconds: float = 0.0
    statuses: dict[bytes, int] = field(default_factory=dict)
    last: bytes = b""


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.came = b""

    def take(self) -> bytes:
        """Return the answer if it is whole, else nothing."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server ended a connection")
        self.came += data
        head = self.came.find(HEAD_END)
        length = LENGTH.search(self.came, 0, head) if head >= 0 else None
        if head < 0 or len(self.came) < head + 4 + (int(length[1]) if length is not None else 0):
            return b""
        answer, self.came = self.came, b""
        return answer


class RawClient:
    """A number of connections to one server."""

    def __init__(self, port: int, connections: int) -> None:
        self._connections = {each.socket.fileno(): each for each in (_Connection(port) for _ in range(connections))}
        self._ready = select.epoll()
        for number in self._connections:
            self._ready.register(number, select.EPOLLIN)

    def run(self, requests: Iterator[bytes], seconds: float) -> Slice:
        """Send as fast as answers come, until the time is over or there are no more requests; wait for the last."""
        done, begin_s = Slice(), time.perf_counter()
        under_way = 0
        for connection in self._connections.values():
            under_way += _send(connection, requests)
        while under_way:
            ready = self._ready.poll(PATIENCE_S)
            if not ready:
                raise TimeoutError("no answer")
            for number, _ in ready:
                connection = self._connections[number]
                answer = connection.take()
                if not answer:
                    continue
                under_way -= 1
                done.answers += 1
                done.last = answer
                status = answer[9:12]
                done.statuses[status] = done.statuses.get(status, 0) + 1
                if time.perf_counter() - begin_s < seconds:
                    under_way += _send(connection, requests)
        done.seconds = time.perf_counter() - begin_s
        return done

    def close(self) -> None:
        self._ready.close()
        for connection in self._connections.values():
            connection.socket.close()


@contextmanager
def a_raw_client(port: int, connections: int) -> Iterator[RawClient]:
    client = RawClient(port, connections)
    yield client
    client.close()


def _send(connection: _Connection, requests: Iterator[bytes]) -> int:
    request = next(requests, None)
    if request is None:
        return 0
    connection.socket.sendall(request)
    return 1
