"""One request and its answer: what Tornado's handlers know of a connection."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)

from handlers.channel import Talker
from handlers.front.reader import Head

if TYPE_CHECKING:
    from handlers.front.connection import Connection

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange(HTTPConnection):
    """
    Fills Tornado's HTTPConnection for one request. Futures it returns are done when the kernel has taken everything,
    and fail with StreamClosedError when the client is gone.
    """

    __slots__ = (
        "_body_bytes_due",
        "_close_callback",
        "_connection",
        "_head",
        "_is_chunking",
        "_max_body_bytes",
        "_received_bytes",
        "closes_after",
        "context",
        "delegate",
        "has_begun_answer",
        "is_admitted",
        "is_answered",
        "is_read",
    )

    def __init__(self, connection: "Connection", head: Head, *, max_body_bytes: int, closes_after: bool) -> None:
        self._connection = connection
        self._head = head
        self._max_body_bytes = max_body_bytes
        self._received_bytes = 0
        self._close_callback: Callable[[], None] | None = None
        self._is_chunking = False
        self._body_bytes_due: int | None = None  # None: until the end, whatever comes
        self.context = connection.peer
        self.closes_after = closes_after
        self.has_begun_answer = False
        self.is_admitted = False
        """May the body come? Known once the application took the head, as it may allow more than others do."""
        self.is_read = False
        """Has the whole request come in?"""
        self.is_answered = False
        self.delegate: HTTPMessageDelegate

    @property
    def is_body_too_large(self) -> bool:
        """Is more announced, or has more come, than is allowed?"""
        return max(self._head.content_length or 0, self._received_bytes) > self._max_body_bytes

    def begin(self, head: Head) -> Awaitable[None] | None:
        """
        Give the application the head; return what has to be waited for before the body, if anything.

        Raises:
            HTTPInputError: The application refuses it, and wants to hear no more of it.
        """
        try:
            return self.delegate.headers_received(head.start_line, head.headers)
        except HTTPInputError:
            self.delegate = HTTPMessageDelegate()
            raise

    def count_body(self, chunk: bytes) -> None:
        self._received_bytes += len(chunk)

    @property
    def must_say_continue(self) -> bool:
        """Does the client wait for a word before it sends the body? RFC 9110, 10.1.1."""
        expects = self._head.headers.get("Expect", "").lower() == "100-continue"
        is_open = self._head.start_line.version == "HTTP/1.1" and not self.has_begun_answer
        return expects and is_open and self._head.content_length != 0

    # What Tornado calls.

    def set_max_body_size(self, max_body_size: int) -> None:
        """Allow this request so many bytes; to be called before its body comes."""
        self._max_body_bytes = max_body_size

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have this called when the client goes before it has its answer."""
        self._close_callback = callback

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        if not isinstance(start_line, ResponseStartLine):
            raise TypeError("a server writes no request")
        self.has_begun_answer = True
        self._frame(start_line.code, headers)
        lines = [f"HTTP/1.1 {start_line.code} {start_line.reason}", *(f"{n}: {v}" for n, v in headers.get_all())]
        text = "\r\n".join(lines)
        if text.count("\r") + text.count("\n") != 2 * (len(lines) - 1):
            raise ValueError("a line break in a header of the answer")
        return self._connection.write(text.encode("latin1") + b"\r\n\r\n" + self._chunk(chunk or b""))

    def answer(self, status: HTTPStatus, fields: str, body: bytes) -> None:
        """
        Write a whole answer and finish.

        Args:
            fields: Lines that each end in CRLF, `Content-Length` among them where the status allows a body. For callers
                who made them of words of their own: nothing is checked.
        """
        self.has_begun_answer = True
        version = self._head.start_line.version
        if self.closes_after:
            fields += "Connection: close\r\n"
        elif version == "HTTP/1.0":
            fields += "Connection: Keep-Alive\r\n"
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{fields}\r\n"
        self._connection.write(head.encode("latin1") + body)
        self.finish()

    def write(self, chunk: bytes) -> "asyncio.Future[None]":
        return self._connection.write(self._chunk(chunk))

    def finish(self) -> None:
        if self._body_bytes_due and not self._connection.is_ending:
            self._connection.cut()
            raise HTTPOutputError(f"{self._body_bytes_due} bytes less than Content-Length")
        if self._is_chunking:
            self._connection.write(b"0\r\n\r\n")
        self.is_answered = True
        self._close_callback = None
        self._connection.answered()

    # What a hot route calls, beside `answer`.

    def leave_http(self, head: bytes, talker: Talker) -> None:
        """
        Answer with these bytes and leave the connection to whoever speaks on it, with what came behind this request if
        it asked to upgrade: behind any other one only HTTP can come.

        Raises:
            StreamClosedError: The client is gone.
        """
        self._connection.leave_http(head, talker)
        del self._connection, self.delegate  # each holds the other

    def close(self) -> None:
        """End the connection at once, whatever was still to be sent."""
        self._connection.cut()

    def lost(self) -> None:
        """The client is gone: tell whoever waits for the request or works on the answer."""
        if not self.is_read:
            self.delegate.on_connection_close()
        if self._close_callback is not None:
            callback, self._close_callback = self._close_callback, None
            callback()

    def _frame(self, code: int, headers: HTTPHeaders) -> None:
        """Decide how the client will know where the answer ends, and say so. RFC 9112, 6.3."""
        method, _, version = self._head.start_line
        has_body = method != "HEAD" and code >= 200 and code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        if not has_body:
            self._body_bytes_due = 0
        elif "Content-Length" in headers:
            self._body_bytes_due = int(headers["Content-Length"])
        elif version == "HTTP/1.1":
            self._is_chunking = True
            headers["Transfer-Encoding"] = "chunked"
        else:
            self.closes_after = True
        if headers.get("Connection", "").lower() == "close" or not self.is_read:
            self.closes_after = True
        if self.closes_after:
            headers["Connection"] = "close"
        elif version == "HTTP/1.0":
            headers["Connection"] = "Keep-Alive"

    def _chunk(self, chunk: bytes) -> bytes:
        if self._body_bytes_due is not None:
            self._body_bytes_due -= len(chunk)
            if self._body_bytes_due < 0:
                self._connection.cut()
                raise HTTPOutputError("more bytes than Content-Length")
        if self._is_chunking and chunk:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        return chunk
