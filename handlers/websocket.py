"""
The server's end of a WebSocket (RFC 6455), without I/O.

What clients send is read by the library websockets: masks, reserved bits, lengths, pieces, close codes. What we send to
many at once is framed here, once, because what a server sends is not masked.
"""

import codecs
from binascii import a2b_base64
from typing import Final

from tornado.httputil import HTTPServerRequest
from websockets.exceptions import InvalidState
from websockets.frames import BINARY, CONT, PONG, TEXT, Frame
from websockets.protocol import OPEN, SEND_EOF, SERVER, Protocol
from websockets.utils import accept_key

from handlers.problems import ApiError

VERSION: Final = "13"
MAX_MESSAGE_BYTES: Final = 4096
INVALID_DATA: Final = 1007
INTERNAL_ERROR: Final = 1011

PING_FRAME: Final = b"\x89\x00"
_PONG_START: Final = b"\x8a\x80"  # what a client answers to it, and then four bytes of mask
_PONG_BYTES: Final = 6


def text_frame(payload: bytes) -> bytes:
    """Return the payload as one unmasked text frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2) + payload
    return b"\x81\x7f" + length.to_bytes(8) + payload


def accept(request: HTTPServerRequest) -> str:
    """
    Return the Sec-WebSocket-Accept that answers this handshake (RFC 6455, 4.2.1 and 4.2.2).

    Raises:
        ApiError: 400, it is none; 426, it is one of another version than ours.
    """
    headers = request.headers
    options = {option.strip().lower() for option in headers.get("Connection", "").split(",")}
    keys = headers.get_list("Sec-WebSocket-Key")
    is_handshake = headers.get("Upgrade", "").lower() == "websocket" and "upgrade" in options and len(keys) == 1
    if request.version == "HTTP/1.0" or not is_handshake or not _is_key(keys[0]):
        raise ApiError(400, "bad_request", field="Upgrade", reason="handshake")
    if headers.get("Sec-WebSocket-Version") != VERSION:
        raise ApiError(426, "bad_request", field="Sec-WebSocket-Version", reason="version")
    return accept_key(keys[0])


def _is_key(text: str) -> bool:
    """Is it the base64 of 16 bytes?"""
    try:
        return len(a2b_base64(text, strict_mode=True)) == 16
    except ValueError:
        return False


class Socket:
    """
    One WebSocket's frames. Feed it what came, take what it means, and send what it has to say.

    Who only watches says nothing but a pong to each of our pings. Those are known by sight: the reader, over a
    kilobyte, is made for the first client that says more, or whom we say goodbye to.
    """

    __slots__ = ("_protocol", "_text")

    def __init__(self) -> None:
        self._protocol: Protocol | None = None
        self._text: codecs.IncrementalDecoder | None = None

    def receive(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now, as far as they are right; pings are answered already."""
        if self._protocol is None and len(data) == _PONG_BYTES and data.startswith(_PONG_START):
            return [Frame(PONG, b"")]
        protocol = self._made()
        protocol.receive_data(data)
        frames = [frame for frame in protocol.events_received() if isinstance(frame, Frame)]
        try:
            for frame in frames:
                self._check_text(frame)
        except UnicodeDecodeError:
            protocol.fail(INVALID_DATA, "not UTF-8")
        return frames

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, unless that is said already."""
        try:
            self._made().send_close(code, reason)
        except InvalidState:
            return

    def take_output(self) -> tuple[bytes, bool]:
        """Return what has to be sent, and whether that was the end: then nothing is to be read any more."""
        if self._protocol is None:
            return b"", False
        pieces = self._protocol.data_to_send()
        return b"".join(pieces), SEND_EOF in pieces

    @property
    def is_closing(self) -> bool:
        """Has either side said goodbye?"""
        return self._protocol is not None and self._protocol.state is not OPEN

    def _made(self) -> Protocol:
        if self._protocol is None:
            self._protocol = Protocol(SERVER, max_size=MAX_MESSAGE_BYTES)
        return self._protocol

    def _check_text(self, frame: Frame) -> None:
        """Text has to be UTF-8, across all its pieces (RFC 6455, 8.1); the library leaves that to its callers."""
        if frame.opcode is TEXT:
            self._text = codecs.getincrementaldecoder("utf-8")()
        elif frame.opcode is BINARY:
            self._text = None
        if self._text is not None and frame.opcode in (TEXT, CONT):
            self._text.decode(bytes(frame.data), final=frame.fin)
