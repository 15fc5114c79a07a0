"""The server's end of a WebSocket, fed with bytes: whole, and one after the other."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from handlers.websocket import PING_FRAME, Socket, text_frame
from tests.handlers.frames import BROKEN, CLOSE, FINE, GOODBYES, PING, PONG, TEXT, answered, frame, frames_in

Cut = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def by_bytes(data: bytes) -> Iterator[bytes]:
    for n in range(len(data)):
        yield data[n : n + 1]


CUTS: Final[tuple[Cut, ...]] = (whole, by_bytes)


def feed(socket: Socket, pieces: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return all it says to these, and whether it says that this was the end."""
    said, is_end = b"", False
    for piece in pieces:
        socket.receive(piece)
        more, is_last = socket.take_output()
        said, is_end = said + more, is_end or is_last
    return said, is_end


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", FINE)
def test_what_is_well_formed_is_read_and_pings_are_answered(case: str, cut: Cut) -> None:
    sent, pongs = FINE[case]
    socket = Socket()
    assert feed(socket, cut(sent)) == (pongs, False)
    assert not socket.is_closing


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_ends_it_with_the_code_that_says_why(case: str, cut: Cut) -> None:
    sent, code = BROKEN[case]
    said, is_end = feed(Socket(), cut(sent))
    first, payload = list(frames_in(said))[-1]
    assert is_end
    assert (first, int.from_bytes(payload[:2])) == (CLOSE, code)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", GOODBYES)
def test_a_goodbye_is_echoed_and_nothing_is_read_after_it(case: str, cut: Cut) -> None:
    sent, echo = GOODBYES[case]
    socket = Socket()
    assert feed(socket, cut(sent)) == (echo, True)
    assert socket.receive(frame(TEXT, b"hi")) == []


def test_nothing_is_read_behind_what_is_broken() -> None:
    socket = Socket()
    feed(socket, whole(frame(PING | 0x70)))
    assert socket.receive(frame(PING)) == []
    assert socket.take_output() == (b"", False)


class TestAGoodbyeOfOurs:
    def test_is_said_once_and_ends_with_the_clients(self) -> None:
        socket = Socket()
        socket.close(4401, "log in first")
        socket.close(1012, "again")
        assert socket.take_output() == (answered(CLOSE, (4401).to_bytes(2) + b"log in first"), False)
        assert socket.is_closing

        assert feed(socket, whole(frame(CLOSE, (4401).to_bytes(2)))) == (b"", True)

    def test_is_not_said_to_who_has_left(self) -> None:
        socket = Socket()
        feed(socket, whole(frame(CLOSE)))
        socket.close(1012, "")
        assert socket.take_output() == (b"", False)


def test_a_watcher_who_only_answers_our_pings_costs_no_reader() -> None:
    socket = Socket()
    for _ in range(3):
        assert [each.opcode for each in socket.receive(frame(PONG))] == [PONG & 0x0F]
    assert socket._protocol is None
    assert feed(socket, whole(frame(PING, b"x"))) == (answered(PONG, b"x"), False)


@pytest.mark.parametrize("n", [0, 125, 126, 65535, 65536])
def test_what_we_send_to_many_is_framed_as_the_library_would(n: int) -> None:
    assert text_frame(b"x" * n) == answered(TEXT, b"x" * n)
    assert answered(PING, b"") == PING_FRAME
