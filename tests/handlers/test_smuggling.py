"""
Requests that two servers in a row might read differently. Whatever comes behind one must never be answered as a request
that a proxy did not see: a request is refused and its connection ends, or its end is where everybody sees it.
"""

from typing import Final

import pytest

from tests.handlers.fronts import FRONTS, served

LAST: Final = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def post(*lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    head = [b"POST /first " + version, *([host] if host else []), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
NO_CHUNKS: Final = b"0\r\n\r\n"

REFUSED: Final[dict[str, bytes]] = {
    "chunked, then a length": post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=NO_CHUNKS + SMUGGLED),
    "a length, then chunked": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=NO_CHUNKS + SMUGGLED),
    "length 0 and chunked": post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=NO_CHUNKS + SMUGGLED),
    "two lengths": post(b"Content-Length: 3", b"Content-Length: 4", body=b"abc" + SMUGGLED),
    "two lengths in one": post(b"Content-Length: 3, 4", body=b"abc" + SMUGGLED),
    "length with a plus": post(b"Content-Length: +3", body=b"abc" + SMUGGLED),
    "negative length": post(b"Content-Length: -1", body=SMUGGLED),
    "hexadecimal length": post(b"Content-Length: 0x3", body=b"abc" + SMUGGLED),
    "length with an underscore": post(b"Content-Length: 1_0", body=b"abc" + SMUGGLED),
    "length with a blank inside": post(b"Content-Length: 3 3", body=b"abc" + SMUGGLED),
    "no length behind the name": post(b"Content-Length:", body=SMUGGLED),
    "length in other digits": post("Content-Length: ３".encode(), body=b"abc" + SMUGGLED),
    "length beyond every limit": post(b"Content-Length: 99999999999999999999", body=SMUGGLED),
    "two codings": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=NO_CHUNKS + SMUGGLED),
    "two codings in one": post(b"Transfer-Encoding: chunked, chunked", body=NO_CHUNKS + SMUGGLED),
    "gzip under chunked": post(b"Transfer-Encoding: gzip, chunked", body=NO_CHUNKS + SMUGGLED),
    "chunked not last": post(b"Transfer-Encoding: chunked, gzip", body=NO_CHUNKS + SMUGGLED),
    "a coding nobody knows": post(b"Transfer-Encoding: xchunked", body=NO_CHUNKS + SMUGGLED),
    "identity": post(b"Transfer-Encoding: identity", body=SMUGGLED),
    "chunked with a comma": post(b"Transfer-Encoding: ,chunked", body=NO_CHUNKS + SMUGGLED),
    "chunked with a quote": post(b'Transfer-Encoding: "chunked"', body=NO_CHUNKS + SMUGGLED),
    "chunked behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=NO_CHUNKS + SMUGGLED),
    "blank before the colon": post(b"Content-Length : 3", body=b"abc" + SMUGGLED),
    "tab before the colon": post(b"Transfer-Encoding\t: chunked", body=NO_CHUNKS + SMUGGLED),
    "blank before the name": post(b" Content-Length: 3", body=b"abc" + SMUGGLED, host=b"Host: a"),
    "no name": post(b": x", body=SMUGGLED),
    "no colon": post(b"Content-Length", body=SMUGGLED),
    "a name beyond ASCII": post(b"Content-Length\xff: 3", body=b"abc" + SMUGGLED),
    "a folded line": post(b"X: a", b" Content-Length: 3", body=b"abc" + SMUGGLED),
    "a folded coding": post(b"Transfer-Encoding:", b" chunked", body=NO_CHUNKS + SMUGGLED),
    "bare CR in a value": post(b"X: a\rContent-Length: 3", body=b"abc" + SMUGGLED),
    "bare CR for the end": b"POST /first HTTP/1.1\rHost: a\r\r" + SMUGGLED,
    "NUL in a value": post(b"X: a\x00b", body=SMUGGLED),
    "a control character in a value": post(b"X: a\x01b", body=SMUGGLED),
    "DEL in a value": post(b"X: a\x7fb", body=SMUGGLED),
    "two hosts": post(b"Host: b", body=SMUGGLED),
    "no host": post(host=b"", body=SMUGGLED),
    "a host that is none": post(host=b"Host: a/../b c", body=SMUGGLED),
    "a blank in the target": b"GET /first /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab behind the method": b"GET\t/first HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2.0": post(version=b"HTTP/2.0", body=SMUGGLED),
    "HTTP/1.10": post(version=b"HTTP/1.10", body=SMUGGLED),
    "http/1.1": post(version=b"http/1.1", body=SMUGGLED),
    "no version": b"GET /first\r\n\r\n" + SMUGGLED,
    "chunk size with 0x": chunked(b"0x3\r\nabc\r\n" + NO_CHUNKS + SMUGGLED),
    "chunk size with a sign": chunked(b"+3\r\nabc\r\n" + NO_CHUNKS + SMUGGLED),
    "negative chunk size": chunked(b"-1\r\nabc\r\n" + NO_CHUNKS + SMUGGLED),
    "no chunk size": chunked(b"\r\nabc\r\n" + NO_CHUNKS + SMUGGLED),
    "chunk size beyond every limit": chunked(b"fffffffffffffffff\r\nabc\r\n" + NO_CHUNKS + SMUGGLED),
    "chunk size with an underscore": chunked(b"1_0\r\n0123456789abcdef\r\n" + NO_CHUNKS + SMUGGLED),
    "LF in a chunk extension": chunked(b"3;a\nb\r\nabc\r\n" + NO_CHUNKS + SMUGGLED),
    "a chunk longer than it says": chunked(b"3\r\nabcd\r\n" + NO_CHUNKS + SMUGGLED),
    "a chunk that ends with LF": chunked(b"3\r\nabc\n" + NO_CHUNKS + SMUGGLED),
    "a field behind the body": chunked(b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n" + SMUGGLED),
    "a head too large": post(b"X: " + b"a" * 70_000),
    "fields without end": post(*(b"X: a" for _ in range(20_000))),
    "a target too long": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a body too large": post(b"Content-Length: 90000000", body=b"abc"),
    "chunks too large": chunked(b"ff\r\n" + b"a" * 255 + b"\r\n" + (b"ff\r\n" + b"a" * 255 + b"\r\n") * 4 + NO_CHUNKS),
    "bytes that are no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}

# One front refuses them, the other reads them: none of them hides a request.
HARMLESS: Final[dict[str, bytes]] = {
    "two empty lines before": b"\r\n\r\n" + post(b"Content-Length: 3", body=b"abc"),
    "two equal lengths": post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "bare LF": b"POST /first HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc",
    "chunked in HTTP/1.0": post(
        b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=NO_CHUNKS, version=b"HTTP/1.0"
    ),
    "CONNECT": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunk extension": chunked(b"3;a=b\r\nabc\r\n" + NO_CHUNKS),
    "blank behind the chunk size": chunked(b"3 \r\nabc\r\n" + NO_CHUNKS),
    "upgrade with chunks": post(
        b"Upgrade: x", b"Connection: upgrade", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n" + NO_CHUNKS
    ),
}

READ: Final[dict[str, bytes]] = {
    "a length": post(b"Content-Length: 3", body=b"abc"),
    "chunks": chunked(b"1\r\na\r\n2\r\nbc\r\n" + NO_CHUNKS),
    "chunked in capitals": post(b"Transfer-Encoding: CHUNKED", body=b"3\r\nabc\r\n" + NO_CHUNKS),
    "an empty line before": b"\r\n" + post(b"Content-Length: 3", body=b"abc"),
    "an upgrade nobody grants": post(b"Upgrade: x", b"Connection: upgrade", b"Content-Length: 3", body=b"abc"),
    "a length with blanks around": post(b"Content-Length: \t3 ", body=b"abc"),
}


@pytest.mark.parametrize("front", FRONTS)
async def test_what_might_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    front: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(front) as server:
        for what, data in REFUSED.items():
            answer = await server.say(data + LAST)
            statuses = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")]
            assert len(statuses) <= 1, what  # none: only the connection ends
            assert all(line.split()[1] in {b"400", b"413", b"431"} for line in statuses), (what, statuses)
            assert server.seen.requests == [], what
    assert front == "tornado" or not [line for line in caplog.messages if "bug" in line]


@pytest.mark.parametrize("front", FRONTS)
async def test_what_the_fronts_read_differently_hides_no_request(front: str) -> None:
    async with served(front) as server:
        for what, data in HARMLESS.items():
            await server.say(data + LAST)
            targets = [target for _, target, _ in server.seen.requests]
            assert targets in ([], ["/first", "/last"], ["/last"]), what
            server.seen.requests.clear()


@pytest.mark.parametrize("front", FRONTS)
async def test_what_can_be_read_in_one_way_only_is_read(front: str) -> None:
    async with served(front) as server:
        for what, data in READ.items():
            await server.say(data + LAST)
            assert server.seen.requests == [("POST", "/first", b"abc"), ("GET", "/last", b"")], what
            server.seen.requests.clear()


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(REFUSED) + len(HARMLESS) >= 40
