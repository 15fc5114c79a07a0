"""
HTTP/1 requests out of bytes: strict, bounded, without I/O.

llhttp knows the grammar. What it lets pass although a proxy before us might see the end of the request elsewhere is
refused here (RFC 9112, 6.1 and 11.2): then nobody can smuggle a request past that proxy.
"""

import re
from collections import deque
from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine


class Head(NamedTuple):
    """A request up to its body. `content_length` is None when the body is chunked, and `keeps_alive` what it asks."""

    start_line: RequestStartLine
    headers: HTTPHeaders
    content_length: int | None
    keeps_alive: bool


class End:
    """The request is whole."""


class Refusal(NamedTuple):
    """Not HTTP as we read it; nothing follows. `reason` is a word of ours for the log."""

    status: int
    reason: str


Event = Head | bytes | End | Refusal

END: Final = End()

_METHOD: Final = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}) ")  # RFC 9110, 9.1: any token may be one
_KNOWN_METHOD: Final = b"POST"

VERSIONS: Final = frozenset({"1.0", "1.1"})


class Reader:
    """
    One connection's requests. `feed` it bytes and take what they mean from `events`: a Head, pieces of its body, the
    End, and so on. After a Refusal it reads no more.
    """

    __slots__ = (
        "_body",
        "_head_bytes",
        "_headers",
        "_is_refused",
        "_max_head_bytes",
        "_method",
        "_parser",
        "_target",
        "_unparsed_body_bytes",
        "events",
        "is_amid",
        "is_in_head",
    )

    def __init__(self, *, max_head_bytes: int) -> None:
        self.events: deque[Event] = deque()
        self.is_amid = False
        """Has a request begun that is not whole?"""
        self.is_in_head = False
        self._max_head_bytes = max_head_bytes
        self._head_bytes = 0
        self._method = b""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._unparsed_body_bytes = 0
        self._is_refused = False
        self._parser = HttpRequestParser(self)

    def feed(self, data: bytes) -> int:
        """
        Take these bytes; return how many were used.

        The rest follows a request that asks to upgrade: it is another protocol's if that is granted, else HTTP again.
        """
        used = len(data) if self._is_refused else self._read(data)
        if self._is_refused:
            self.is_amid = self.is_in_head = False
        return used

    def close(self) -> None:
        """Read no more, and let go of llhttp: each holds the other."""
        self._is_refused = True
        del self._parser

    def _read(self, data: bytes) -> int:
        if self._unparsed_body_bytes:
            return self._take_unparsed_body(data)
        is_between, used = not (self.is_amid or self.events), len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            used = upgrade.args[0]
        except HttpParserInvalidMethodError:
            method = _METHOD.match(data)
            if is_between and not self.events and method is not None:
                return self._read_as_known(method[1], data)
            self._refuse(400, "malformed")
        except HttpParserError:
            self._refuse(400, "malformed")
        self._flush_body()
        if self.is_in_head:
            self._head_bytes += used
            if self._head_bytes > self._max_head_bytes:
                self._refuse(431, "head_too_large")
        return used

    def _read_as_known(self, method: bytes, data: bytes) -> int:
        """llhttp has a list of methods. Have it read one that is not on it, so that the application can answer 405."""
        self._parser, self._method = HttpRequestParser(self), method
        return self._read(_KNOWN_METHOD + data[len(method) :]) + len(method) - len(_KNOWN_METHOD)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        self.is_amid = self.is_in_head = True
        self._target = b""
        self._headers = []

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_in_head:
            self._headers.append((name, value))
        else:
            self._refuse(400, "trailer")

    def on_headers_complete(self) -> None:
        self.is_in_head = False
        self._head_bytes = 0
        try:
            head = self._checked_head(_headers(self._headers))
        except (HTTPInputError, ValueError) as error:
            self._refuse(400, str(error) if isinstance(error, _Refused) else "malformed")
            return
        if self._parser.should_upgrade():  # llhttp would take the body for the other protocol's
            self._unparsed_body_bytes = head.content_length or 0
        self._put(head)

    def on_body(self, chunk: bytes) -> None:
        self._body.append(chunk)

    def on_message_complete(self) -> None:
        if not self._unparsed_body_bytes:
            self._end()

    def _checked_head(self, headers: HTTPHeaders) -> Head:
        parser, version = self._parser, self._parser.get_http_version()
        method = (self._method or parser.get_method()).decode("ascii")
        self._method = b""
        if version not in VERSIONS:
            raise _Refused("version")
        if method == "CONNECT":
            raise _Refused("connect")
        hosts = len(headers.get_list("Host"))
        if hosts > 1 or (version == "1.1" and not hosts):
            raise _Refused("host")
        codings = headers.get_list("Transfer-Encoding")
        if codings and ([coding.lower() for coding in codings] != ["chunked"] or version == "1.0"):
            raise _Refused("transfer_encoding")
        if codings and parser.should_upgrade():
            raise _Refused("upgrade_with_chunks")
        return Head(
            RequestStartLine(method, self._target.decode("latin1"), f"HTTP/{version}"),
            headers,
            None if codings else int(headers.get("Content-Length", "0")),
            parser.should_keep_alive(),
        )

    def _take_unparsed_body(self, data: bytes) -> int:
        taken = data[: self._unparsed_body_bytes]
        self._unparsed_body_bytes -= len(taken)
        self._body.append(taken)
        if self._unparsed_body_bytes:
            self._flush_body()
        else:
            self._end()
        return len(taken)

    def _end(self) -> None:
        self._flush_body()
        self._put(END)
        self.is_amid = False

    def _flush_body(self) -> None:
        """Chunks as small as one byte cost the sender little: pass them on together."""
        if self._body:
            self._put(b"".join(self._body))
            self._body = []

    def _put(self, event: Event) -> None:
        if not self._is_refused:
            self.events.append(event)

    def _refuse(self, status: int, reason: str) -> None:
        self._put(Refusal(status, reason))
        self._is_refused = True


def _headers(fields: list[tuple[bytes, bytes]]) -> HTTPHeaders:
    """Return Tornado's headers. llhttp has checked every character: only a name that comes again is added with care."""
    headers = HTTPHeaders()
    for name, value in fields:
        name_text, value_text = name.decode("latin1"), value.strip(b" \t").decode("latin1")
        if name_text in headers:
            headers.add(name_text, value_text)
        else:
            headers[name_text] = value_text
    return headers


class _Refused(ValueError):
    """Why a head is refused, in a word."""
