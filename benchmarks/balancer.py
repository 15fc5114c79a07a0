"""Posts as a balancer does: connections are kept, a refused one goes to the next process, and nothing is sent twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

HOST: Final = "127.0.0.1"
ANSWER_S: Final = 10.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NoAnswerError(Exception):
    """No process took the request, or the one that took it did not answer."""


@dataclass
class Balancer:
    """The first of `ports` that can be connected to is given the request."""

    ports: Sequence[int]
    refused: int = 0
    _idle: dict[int, list[Connection]] = field(default_factory=dict)

    async def post(self, path: str, body: bytes, *, turn: int = 0) -> bytes:
        """
        Return the answer's body. `turn` says whose turn it is, so that processes can share the work.

        Raises:
            NoAnswerError: It is unknown whether the request was served.
        """
        start = turn % len(self.ports)
        for port in (*self.ports[start:], *self.ports[:start]):
            try:
                connection = await self._connection(port)
            except ConnectionRefusedError:
                self.refused += 1
                continue
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await self._exchange(port, connection, path, body)
            except (OSError, EOFError, TimeoutError) as error:
                connection[1].close()
                raise NoAnswerError(repr(error)) from error
        raise NoAnswerError("refused by all")

    def close(self) -> None:
        for _, writer in (connection for idle in self._idle.values() for connection in idle):
            writer.close()
        self._idle.clear()

    async def _connection(self, port: int) -> Connection:
        idle = self._idle.setdefault(port, [])
        while idle:
            reader, writer = idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(HOST, port)

    async def _exchange(self, port: int, connection: Connection, path: str, body: bytes) -> bytes:
        reader, writer = connection
        head = [
            f"POST {path} HTTP/1.1",
            f"Host: {HOST}:{port}",
            "Content-Type: text/xml",
            f"Content-Length: {len(body)}",
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        answer = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle[port].append(connection)
        return answer
