"""
One client: bytes in, requests to the application one at a time, answers out in their order.

Nothing is read further than the answer that is due: while the application works, while it takes its time with a piece
of a body, or while the client does not read, what came stays where it is, at most one buffer of it, and the kernel
tells the client to wait.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError

from handlers.channel import Talker
from handlers.front.channel import FrontChannel
from handlers.front.exchange import CONTINUE, Exchange
from handlers.front.outgoing import Outgoing
from handlers.front.owner import Owner, Peer
from handlers.front.reader import End, Event, Head, Reader, Refusal

# Pieces in which what came is read: a client that sends many requests at once has only these read ahead.
SLICE_BYTES: Final = 4096

TOO_LARGE: Final = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large")

log = structlog.get_logger()


class Connection(asyncio.BufferedProtocol):
    """See the module. `deadline_s` is when the owner should `time_out` it."""

    __slots__ = (
        "_awaited",
        "_exchange",
        "_is_going_on",
        "_outgoing",
        "_owner",
        "_phase",
        "_reader",
        "_transport",
        "_unread",
        "deadline_s",
        "is_ending",
        "peer",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._reader = Reader(max_head_bytes=owner.limits.max_head_bytes)
        self._transport: asyncio.Transport
        self._outgoing: Outgoing
        self._unread = b""
        self._exchange: Exchange | None = None
        self._awaited: asyncio.Future[Any] | None = None
        self._phase = ""
        self._is_going_on = False
        self.is_ending = False
        """Is there nothing to come but the end?"""
        self.deadline_s = math.inf
        self.peer = Peer("0.0.0.0")  # noqa: S104 - nobody, until it is connected

    @property
    def file_number(self) -> int:
        """The kernel's number of its socket."""
        return int(self._transport.get_extra_info("socket").fileno())

    @property
    def is_coming_in(self) -> bool:
        """Is a part of a request here that the application has not heard of?"""
        return bool(self._reader.is_amid or self._reader.events or self._unread)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's has the methods, but not the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._outgoing = Outgoing(self._transport)
        name = transport.get_extra_info("peername")
        if name:
            self.peer = Peer(name[0])
        if self._owner.welcome(self):
            self._set_deadline()
        else:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._owner.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self.is_ending:
            self._unread += self._owner.buffer[:nbytes]
            self._go_on()

    def pause_writing(self) -> None:
        self._outgoing.clog()
        self._set_deadline()

    def resume_writing(self) -> None:
        self._outgoing.unclog()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_ending = True
        self._let_go()
        self._lose_exchange()

    def _let_go(self) -> None:
        self._owner.forget(self)
        self._outgoing.close()
        self._reader.close()

    # What an exchange calls.

    def write(self, data: bytes) -> "asyncio.Future[None]":
        return self._outgoing.write(data)

    def answered(self) -> None:
        """The application has said all it will."""
        exchange = self._exchange
        if exchange is None or self.is_ending:
            return
        if exchange.is_read and not exchange.closes_after:
            self._exchange = None
            self._go_on()
        elif exchange.is_read:
            self._exchange = None
            self._end()
        else:
            self._end_lingering()

    def leave_http(self, head: bytes, talker: Talker) -> None:
        """Let go of the transport. Nothing waits to be written to it: a request begins after the last answer left."""
        if self.is_ending or self._outgoing.is_clogged:
            raise StreamClosedError
        self._exchange, unread, self._unread = None, self._unread, b""
        self.is_ending = True
        self._let_go()
        channel = FrontChannel(self._owner, self._transport, talker)
        self._owner.keep_channel(channel)
        channel.begin(head, unread)

    def cut(self) -> None:
        """End at once."""
        self.is_ending = True
        self._outgoing.close()
        self._transport.abort()

    def time_out(self) -> None:
        """It took too long, whatever it is."""
        self.cut()

    # Reading.

    @property
    def _has_to_wait(self) -> bool:
        exchange = self._exchange
        return (
            self.is_ending
            or self._outgoing.is_clogged
            or self._awaited is not None
            or (exchange is not None and exchange.is_read)
        )

    def _go_on(self) -> None:
        """Read what came, as far as that is allowed now."""
        if self._is_going_on or self.is_ending:
            return
        self._is_going_on = True
        try:
            while not self._has_to_wait:
                if self._exchange is not None and not self._exchange.is_admitted:
                    self._admit(self._exchange)
                elif self._reader.events:
                    self._take(self._reader.events.popleft())
                elif self._unread:
                    used = self._reader.feed(self._unread[:SLICE_BYTES])
                    self._unread = self._unread[used:]
                else:
                    break
        finally:
            self._is_going_on = False
        if not self.is_ending:
            self._set_deadline()
            self._hold_or_read()

    def _hold_or_read(self) -> None:
        if self._unread:
            self._transport.pause_reading()  # safe to repeat
        else:
            self._transport.resume_reading()

    def _take(self, event: Event) -> None:
        match event:
            case Head():
                self._begin(event)
            case bytes():
                self._take_body(event)
            case End():
                self._finish_request()
            case Refusal():
                self._refuse(event)

    def _begin(self, head: Head) -> None:
        owner = self._owner
        owner.begun += 1
        self._phase = ""  # each request has its own time
        self._exchange = exchange = Exchange(
            self,
            head,
            max_body_bytes=owner.limits.max_body_bytes,
            closes_after=owner.is_taking_no_more or not head.keeps_alive,
        )
        exchange.delegate = owner.start_request(self, exchange)
        self._tell(lambda: exchange.begin(head))

    def _admit(self, exchange: Exchange) -> None:
        exchange.is_admitted = True
        if exchange.is_body_too_large:
            self._refuse(TOO_LARGE)
        elif exchange.must_say_continue:
            self.write(CONTINUE)

    def _take_body(self, chunk: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        exchange.count_body(chunk)
        if exchange.is_body_too_large:
            self._refuse(TOO_LARGE)
        elif not exchange.is_answered:
            self._tell(lambda: exchange.delegate.data_received(chunk))

    def _finish_request(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.is_read = True
            self._tell(exchange.delegate.finish)

    def _tell(self, step: Callable[[], Awaitable[None] | None]) -> None:
        """Tell the application; if it takes its time, wait with the next step."""
        try:
            awaited = step()
        except HTTPInputError:
            self._refuse(Refusal(HTTPStatus.BAD_REQUEST, "malformed"))
            return
        except Exception:
            # A bug in one request ends its connection and no other.
            log.exception("bug")
            self._lose_exchange()
            self.cut()
            return
        if awaited is not None:
            self._awaited = asyncio.ensure_future(awaited)
            self._awaited.add_done_callback(self._told)

    def _told(self, awaited: "asyncio.Future[Any]") -> None:
        self._awaited = None
        if not awaited.cancelled() and awaited.exception() is not None:
            log.error("bug", exc_info=awaited.exception())
            self._lose_exchange()
            self.cut()
            return
        self._go_on()

    # Ending.

    def _refuse(self, refusal: Refusal) -> None:
        """Say so, unless an answer has begun, and go: where the next request would begin nobody knows."""
        log.warning("http_refused", error=refusal.reason, client_ip=self.peer.remote_ip)
        exchange = self._exchange
        if exchange is None or not exchange.has_begun_answer:
            status = HTTPStatus(refusal.status)
            self.write(
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        self._lose_exchange()
        self._end_lingering()

    def _lose_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            _carefully(exchange.lost)

    def _end(self) -> None:
        """Go once everything is sent."""
        if self._unread:
            self._end_lingering()
            return
        self.is_ending = True
        self._outgoing.close()
        self.deadline_s = self._owner.now_s() + self._owner.limits.idle_timeout_s
        self._transport.close()

    def _end_lingering(self) -> None:
        """
        Go, but hear the client out for a moment: a socket that is closed before everything was read from it resets
        the connection, and the client might lose our last answer.
        """
        if self.is_ending:
            return
        self.is_ending = True
        self._outgoing.close()
        self._unread = b""
        self.deadline_s = self._owner.now_s() + self._owner.limits.linger_s
        self._transport.resume_reading()
        with suppress(OSError):  # the client was faster
            self._transport.write_eof()

    def _set_deadline(self) -> None:
        limits, exchange = self._owner.limits, self._exchange
        if self.is_ending:
            return
        if self._outgoing.is_clogged:
            phase, allowed_s = "clogged", limits.idle_timeout_s
        elif exchange is not None and exchange.is_read:
            phase, allowed_s = "answer", math.inf
        elif exchange is not None:
            phase, allowed_s = "body", limits.body_timeout_s
        elif self._reader.is_in_head:
            phase, allowed_s = "head", limits.head_timeout_s
        else:
            phase, allowed_s = "idle", limits.idle_timeout_s
        if phase != self._phase:
            self._phase = phase
            self.deadline_s = self._owner.now_s() + allowed_s


def _carefully(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:
        # The client is gone already: what its handler does about it must not cost the other connections.
        log.exception("bug")
