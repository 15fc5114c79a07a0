"""A peer on loopback that answers with exactly the bytes a test wants, and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

DEADLINE_S: Final = 10


class Asked(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """Answers call after call from `replies`, the last one for ever. With `stall` it then keeps the connection open."""

    def __init__(self) -> None:
        self.replies = [http()]
        self.stall = False
        self.asked: list[Asked] = []
        self.callers: list[str] = []  # by the name in their certificate
        self.heard = asyncio.Event()  # set by the first call
        self.left = asyncio.Event()  # set when a stalled caller hangs up
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await _read_request(reader))
            self.callers.append(_name_of(writer))
            self.heard.set()
            writer.write(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])
            await writer.drain()
            if self.stall:
                await reader.read()
                self.left.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()


def http(body: bytes = b"", *, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """Return an HTTP answer; `length` other than the body's makes it a lie."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def a_peer(port: int = 0, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", port, ssl=tls)
    peer.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()
        await server.wait_closed()


def _name_of(writer: asyncio.StreamWriter) -> str:
    certificate = writer.get_extra_info("peercert") or {"subject": ()}
    return "".join(value for part in certificate["subject"] for name, value in part if name == "commonName")


async def _read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
