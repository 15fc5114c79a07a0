"""What a client meets at the port, whichever front reads it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from handlers.channel import GOODBYE_S
from tests.handlers.fronts import (
    FRONTS,
    LIMITS,
    MAX_BODY_BYTES,
    PATIENCE_S,
    SWITCHING,
    Served,
    read_all,
    served,
    turns,
    until,
)

CLOSE = b"Host: a\r\nConnection: close\r\n\r\n"
KEEP = b"Host: a\r\n\r\n"
LEAVE = b"GET /leave HTTP/1.1\r\nUpgrade: echo\r\nConnection: Upgrade\r\n" + KEEP


pytestmark = pytest.mark.either_loop


@pytest.fixture(params=FRONTS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(request.param) as server:
        yield server


async def test_requests_sent_at_once_are_answered_in_their_order(server: Served) -> None:
    server.seen.may_answer.set()
    sent = [b"GET /slow HTTP/1.1\r\n" + KEEP, *(b"GET /%d HTTP/1.1\r\n" % n + KEEP for n in range(300))]

    answer = await server.say(b"".join(sent) + b"GET /last HTTP/1.1\r\n" + CLOSE)

    bodies = [line for line in answer.split(b"\r\n") if line.startswith((b"GET", b"at last"))]
    assert [body.split(b"HTTP/1.1")[0] for body in bodies] == [
        b"at last",
        *(b"GET /%d 0" % n for n in range(300)),
        b"GET /last 0",
    ]


async def test_a_request_may_come_byte_by_byte(server: Served) -> None:
    data = b"POST /slowly?a=b HTTP/1.1\r\nContent-Length: 3\r\nX-Long: " + b"y" * 50 + b"\r\n" + CLOSE + b"abc"
    async with server.connection() as (reader, writer):
        for n in range(len(data)):
            writer.write(data[n : n + 1])
            await asyncio.sleep(0)
        assert (await read_all(reader)).endswith(b"POST /slowly?a=b 3")
    assert server.seen.requests == [("POST", "/slowly?a=b", b"abc")]


async def test_a_client_that_waits_for_a_word_gets_it_before_it_sends_the_body(server: Served) -> None:
    async with server.connection() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" + CLOSE)
        assert b" 100 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        writer.write(b"abc")
        assert (await read_all(reader)).endswith(b"POST / 3")


async def test_a_client_that_announces_too_much_is_refused_before_it_sends_it(server: Served) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n" % (MAX_BODY_BYTES + 1)
    assert b"HTTP/1.1 4" in await server.say(head + CLOSE)
    assert server.seen.requests == []


async def test_head_is_answered_without_a_body_and_the_next_request_is_read(server: Served) -> None:
    answer = await server.say(b"HEAD /x HTTP/1.1\r\n" + KEEP + b"GET /y HTTP/1.1\r\n" + CLOSE)
    first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert b"Content-Length: 9" in first
    assert second.endswith(b"GET /y 0")


async def test_http_1_0_ends_with_its_answer_unless_it_asks_otherwise(server: Served) -> None:
    answer = await server.say(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /y HTTP/1.0\r\n\r\n")
    first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"\r\nConnection: Keep-Alive\r\n" in first
    assert second.endswith(b"GET /y 0")


async def test_an_unknown_method_reaches_the_application(server: Served) -> None:
    answer = await server.say(
        b"BREW / HTTP/1.1\r\nContent-Length: 3\r\n" + KEEP + b"abc" + b"GET /x HTTP/1.1\r\n" + CLOSE
    )
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"GET /x 0")


class TestLeavingHttp:
    async def test_what_came_behind_the_request_is_the_first_thing_heard(self, server: Served) -> None:
        async with server.connection() as (reader, writer):
            writer.write(LEAVE + b"first ")
            assert await said(reader, b"first ") == SWITCHING + b"first "
            writer.write(b"second")
            assert await said(reader, b"second") == b"second"
            await until(lambda: server.front.connections == 0)
        await asyncio.wait_for(server.seen.gone.wait(), PATIENCE_S)

    async def test_the_last_words_reach_a_client_that_is_still_talking(self, server: Served) -> None:
        async with server.connection() as (reader, writer):
            writer.write(LEAVE)
            await said(reader, SWITCHING)
            writer.write(b"x" * 300_000 + b"end")
            assert (await read_all(reader)).endswith(b"end")
        await asyncio.wait_for(server.seen.gone.wait(), PATIENCE_S)

    async def test_who_does_not_read_is_not_read_and_hears_everything_when_he_reads_again(self, server: Served) -> None:
        async with server.connection() as (reader, writer):
            writer.write(LEAVE)
            await said(reader, SWITCHING)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"x" * 24_000_000)
            left = -1
            while left != writer.transport.get_write_buffer_size():  # until it stands still
                left = writer.transport.get_write_buffer_size()
                await turns(100)
            assert left > 4_000_000
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            await asyncio.wait_for(reader.readexactly(24_000_000), PATIENCE_S)
            await until(lambda: ("", "written", b"") in server.seen.requests)

    async def test_a_port_that_closes_ends_it(self, server: Served) -> None:
        async with server.connection() as (reader, writer):
            writer.write(LEAVE)
            await said(reader, SWITCHING)
            server.front.take_no_more()
            writer.write(b"still here")
            assert await said(reader, b"still here") == b"still here"


async def test_the_application_hears_when_the_client_goes_before_its_answer(server: Served) -> None:
    async with server.connection() as (_, writer):
        writer.write(b"GET /slow HTTP/1.1\r\n" + KEEP)
        await until(lambda: bool(server.seen.requests))
    await asyncio.wait_for(server.seen.gone.wait(), PATIENCE_S)
    await until(lambda: server.front.connections == 0)


async def test_a_client_that_reads_nothing_is_sent_no_more_than_the_kernel_holds(server: Served) -> None:
    async with server.connection() as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /endless HTTP/1.1\r\n" + KEEP)
        pieces = -1
        while pieces != len(server.seen.requests):  # until it stands still
            pieces = len(server.seen.requests)
            await turns(100)
        assert pieces * 65536 < 16_000_000
        server.seen.gone.set()


async def test_a_client_that_sends_more_than_is_answered_is_made_to_wait(server: Served) -> None:
    async with server.connection() as (_, writer):
        writer.write(b"GET /slow HTTP/1.1\r\n" + KEEP)
        writer.write(b"GET /x HTTP/1.1\r\n" + KEEP + b"X" * 40_000_000)
        await until(lambda: bool(server.seen.requests))
        await turns(100)
        assert writer.transport.get_write_buffer_size() > 20_000_000
        assert len(server.seen.requests) == 1


class TestGoingDown:
    async def test_who_was_let_in_is_answered_told_to_come_no_more_and_let_go(self, server: Served) -> None:
        async with server.connection() as (busy, busy_writer), server.connection() as (late, late_writer):
            busy_writer.write(b"GET /slow HTTP/1.1\r\n" + KEEP)
            late_writer.write(b"GET /la")
            await until(lambda: bool(server.seen.requests))
            await until(lambda: server.front.connections == 2)

            server.front.take_no_more()
            server.seen.may_answer.set()
            late_writer.write(b"te HTTP/1.1\r\n" + KEEP)

            assert (await asyncio.wait_for(busy.readuntil(b"at last"), PATIENCE_S)).endswith(b"at last")
            answer = await read_all(late)
            assert b"\r\nConnection: close\r\n" in answer
            assert answer.endswith(b"GET /late 0")

    @pytest.mark.parametrize("heard_turns", range(6))
    async def test_who_knocked_before_the_port_closed_is_let_in(self, server: Served, heard_turns: int) -> None:
        await until(lambda: server.front.connections == 0)
        with _knock(server.port) as client:
            await turns(heard_turns)  # not accepted yet, accepted but not taken in, or there
            server.front.take_no_more()
            client.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(b"GET /x HTTP/1.1\r\n" + KEEP)
            assert (await read_all(reader)).endswith(b"GET /x 0")
            writer.transport.abort()

    async def test_nobody_is_let_in_after(self, server: Served) -> None:
        server.front.take_no_more()
        await turns(10)
        with pytest.raises(ConnectionRefusedError):
            _knock(server.port).close()


class TestTimeOnTheFastFront:
    @pytest.fixture
    def late_s(self) -> list[float]:
        return [0.0]

    @pytest.fixture
    async def server(self, late_s: list[float]) -> AsyncIterator[Served]:
        async with served("fast", now_s=lambda: time.monotonic() + late_s[0]) as server:
            yield server

    @pytest.mark.parametrize(
        ("sent", "allowed_s"),
        [
            (b"", LIMITS.idle_timeout_s),
            (b"\r\n", LIMITS.idle_timeout_s),
            (b"GET / HTTP/1.1\r\nHost:", LIMITS.head_timeout_s),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n" + KEEP + b"ab", LIMITS.body_timeout_s),
            (b"GET /x HTTP/1.1\r\n" + KEEP + b"GET /y", LIMITS.head_timeout_s),
            (b"GET /x HTTP/1.1\r\n" + KEEP, LIMITS.idle_timeout_s),
        ],
    )
    async def test_who_takes_too_long_is_cut_and_not_before(
        self, sent: bytes, allowed_s: float, late_s: list[float], server: Served
    ) -> None:
        async with server.connection() as (reader, writer):
            writer.write(sent)
            await until(lambda: server.front.connections == 1)
            if sent.startswith(b"GET /x"):
                await until(lambda: bool(server.seen.requests))
            await turns(10)
            late_s[0] = allowed_s - 1
            server.front.sweep()  # type: ignore[attr-defined]
            await turns(10)
            assert server.front.connections == 1

            late_s[0] = allowed_s + 1
            server.front.sweep()  # type: ignore[attr-defined]

            await read_all(reader)
            assert server.front.connections == 0

    async def test_a_byte_now_and_then_wins_no_time(self, late_s: list[float], server: Served) -> None:
        async with server.connection() as (reader, writer):
            for byte in b"GET / HTTP/":
                writer.write(bytes((byte,)))
                await turns(10)
                late_s[0] += 1
            server.front.sweep()  # type: ignore[attr-defined]
            assert await read_all(reader) == b""

    async def test_who_left_http_stays_as_long_as_he_likes_but_not_when_he_is_sent_away(
        self, late_s: list[float], server: Served
    ) -> None:
        async with server.connection() as (reader, writer):
            writer.write(LEAVE)
            await said(reader, SWITCHING)
            late_s[0] = 100_000
            server.front.sweep()  # type: ignore[attr-defined]
            writer.write(b"leave")
            await said(reader, b"leave")
            late_s[0] += GOODBYE_S - 1
            server.front.sweep()  # type: ignore[attr-defined]
            writer.write(b"still here")
            await said(reader, b"still here")

            late_s[0] += 2
            server.front.sweep()  # type: ignore[attr-defined]

            assert await read_all(reader) == b""
            await asyncio.wait_for(server.seen.gone.wait(), PATIENCE_S)

    async def test_hundreds_who_dawdle_are_cut_together_and_others_are_answered_meanwhile(
        self, late_s: list[float], server: Served
    ) -> None:
        dawdling = (b"", b"GET / HTTP/1.1\r\nX-Slow: ", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n" + KEEP + b"ab")
        async with AsyncExitStack() as stack:
            for n in range(150):
                _, writer = await stack.enter_async_context(server.connection())
                writer.write(dawdling[n % len(dawdling)])
            assert (await server.say(b"GET /x HTTP/1.1\r\n" + CLOSE)).endswith(b"GET /x 0")
            await until(lambda: server.front.connections == 150)

            late_s[0] = LIMITS.head_timeout_s + 1
            server.front.sweep()  # type: ignore[attr-defined]
            await until(lambda: server.front.connections == 50)
            late_s[0] = LIMITS.idle_timeout_s + 1
            server.front.sweep()  # type: ignore[attr-defined]
            await until(lambda: server.front.connections == 0)
            assert (await server.say(b"GET /x HTTP/1.1\r\n" + CLOSE)).endswith(b"GET /x 0")

    async def test_an_answer_may_take_its_time(self, late_s: list[float], server: Served) -> None:
        async with server.connection() as (reader, writer):
            writer.write(b"GET /slow HTTP/1.1\r\n" + CLOSE)
            await until(lambda: bool(server.seen.requests))
            late_s[0] = 1000
            server.front.sweep()  # type: ignore[attr-defined]
            server.seen.may_answer.set()
            assert (await read_all(reader)).endswith(b"at last")


async def said(reader: asyncio.StreamReader, end: bytes) -> bytes:
    """Return what comes up to this."""
    return await asyncio.wait_for(reader.readuntil(end), PATIENCE_S)


def _knock(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
