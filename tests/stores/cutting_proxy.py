"""A TCP proxy before a wire server that cuts the line at one command, before or after the server has done it."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, Self

# MsgHeader, then OP_MSG's flag bits, the kind of the first section, and that document's length and first element type.
# Source: MongoDB wire protocol, OP_MSG.
_LENGTH: Final = struct.Struct("<i")
_FIRST_KEY_AT: Final = 16 + 4 + 1 + 4 + 1


class Cut(StrEnum):
    BEFORE = "before the server has heard it"
    AFTER = "after the server has done it"


async def nothing_more() -> None:
    """What happens at a cut unless a test says so."""


class CuttingProxy:
    """Forwards whole messages. `cuts` counts how often it cut."""

    def __init__(self, port: int) -> None:
        self._target_port = port
        self._rules: dict[str, tuple[Cut, int]] = {}
        self._lines: set[asyncio.Task[None]] = set()
        self._then: Callable[[], Awaitable[None]] = nothing_more
        self.cuts = 0
        self.port = 0

    def cut(self, command: str, when: Cut, *, times: int, then: Callable[[], Awaitable[None]] = nothing_more) -> None:
        """Cut the line at each of the next so many `command`s; `then` is awaited before the caller learns of it."""
        self._rules[command] = (when, times)
        self._then = then

    @classmethod
    @asynccontextmanager
    async def before(cls, port: int) -> AsyncIterator[Self]:
        proxy = cls(port)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            for line in proxy._lines:
                line.cancel()
            await asyncio.gather(*proxy._lines, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        server_out: asyncio.StreamWriter | None = None
        try:
            server_in, server_out = await asyncio.open_connection("127.0.0.1", self._target_port)
            answers = asyncio.create_task(self._forward(server_in, client_out))
            while (message := await _message(client_in)) is not None:
                when = self._rule_for(message)
                if when is None:
                    server_out.write(message)
                    continue
                if when is Cut.AFTER:
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    server_out.write(message)
                    await _message(server_in)
                await self._then()
                break
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(line)
            for writer in (client_out, server_out):
                if writer is not None:
                    writer.close()

    def _rule_for(self, message: bytes) -> Cut | None:
        name = message[_FIRST_KEY_AT:].partition(b"\0")[0].decode(errors="replace")
        when, times = self._rules.get(name, (Cut.BEFORE, 0))
        if not times:
            return None
        self._rules[name] = (when, times - 1)
        self.cuts += 1
        return when

    @staticmethod
    async def _forward(server_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        while (message := await _message(server_in)) is not None:
            client_out.write(message)
        client_out.close()


async def _message(stream: asyncio.StreamReader) -> bytes | None:
    try:
        length = await stream.readexactly(_LENGTH.size)
        return length + await stream.readexactly(_LENGTH.unpack(length)[0] - _LENGTH.size)
    except (asyncio.IncompleteReadError, OSError):
        return None
