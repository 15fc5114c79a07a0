"""Nothing behind a port: every request is answered with the same bytes. What a load driver reaches here is its own."""

import asyncio
import json
import os

import uvloop

from benchmarks.peers.toy import HEALTH_PATH, OK, arguments


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Null(asyncio.Protocol):
    """One request is one piece of bytes: those who send here wait for each answer."""

    def __init__(self, health: bytes) -> None:
        self._health = health

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        is_health = data.startswith(f"GET {HEALTH_PATH} ".encode())
        self._transport.write(self._health if is_health else ANSWER)  # type: ignore[attr-defined]


ANSWER = _answer(OK)


async def main() -> None:
    given = arguments()
    health = _answer(json.dumps({"peer": "null", "pid": os.getpid()}).encode())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Null(health), "127.0.0.1", given.port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
