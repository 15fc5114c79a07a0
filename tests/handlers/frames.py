"""
What a client may say on a WebSocket, in bytes, and what a server has to make of it (RFC 6455).

The numbers are the sections of Autobahn's testsuite that ask the same; that one runs on Python 2 alone.
"""

import os
from collections.abc import Iterator
from typing import Final

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
FIRST_OF_TEXT, FIRST_OF_BYTES, MIDDLE, LAST = 0x01, 0x02, 0x00, 0x80
MAX_MESSAGE_BYTES: Final = 4096
MASKED: Final = 0x80


def frame(first: int, payload: bytes = b"", *, length: bytes = b"", is_masked: bool = True) -> bytes:
    """Return a frame; `length` stands in for the payload's own, as the bytes behind the first one."""
    if not length:
        n = len(payload)
        length = bytes((n,)) if n < 126 else b"\x7e" + n.to_bytes(2) if n < 1 << 16 else b"\x7f" + n.to_bytes(8)
    if not is_masked:
        return bytes((first, *length)) + payload
    mask = os.urandom(4)
    body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return bytes((first, length[0] | MASKED)) + length[1:] + mask + body


def answered(first: int, payload: bytes) -> bytes:
    """Return the frame with which a server answers."""
    return frame(first, payload, is_masked=False)


def frames_in(said: bytes) -> Iterator[tuple[int, bytes]]:
    """Return first byte and payload of each of a server's frames, of which none is long."""
    while said:
        first, length = said[:2]
        yield first, said[2 : 2 + length]
        said = said[2 + length :]


def text_in_pieces(*pieces: bytes) -> bytes:
    first, *middle, last = pieces
    return frame(FIRST_OF_TEXT, first) + b"".join(frame(MIDDLE, piece) for piece in middle) + frame(LAST, last)


# What keeps the socket open, and the pongs it is answered with.
FINE: Final[dict[str, tuple[bytes, bytes]]] = {
    **{
        f"1 {name} of {n} bytes": (frame(first, b"*" * n), b"")
        for name, first in (("text", TEXT), ("bytes", BINARY))
        for n in (0, 125, 126, 127, 128, MAX_MESSAGE_BYTES)
    },
    "1 bytes that are no text": (frame(BINARY, b"\xff\xfe\x00"), b""),
    "2 an empty ping": (frame(PING), answered(PONG, b"")),
    "2 a ping with text": (frame(PING, b"hello"), answered(PONG, b"hello")),
    "2 a ping with bytes": (frame(PING, b"\x00\xff\xfe"), answered(PONG, b"\x00\xff\xfe")),
    "2 a ping of 125 bytes": (frame(PING, b"\xfe" * 125), answered(PONG, b"\xfe" * 125)),
    "2 pongs nobody asked for": (frame(PONG) + frame(PONG, b"x" * 125), b""),
    "2 a pong before a ping": (frame(PONG, b"x") + frame(PING, b"y"), answered(PONG, b"y")),
    "2 ten pings": (
        b"".join(frame(PING, b"%d" % n) for n in range(10)),
        b"".join(answered(PONG, b"%d" % n) for n in range(10)),
    ),
    "5 text in two pieces": (text_in_pieces(b"hel", b"lo"), b""),
    "5 text in empty pieces": (text_in_pieces(b"", b"x", b""), b""),
    "5 bytes in pieces": (frame(FIRST_OF_BYTES, b"\xff") + frame(LAST, b"\xfe"), b""),
    "5 a ping between pieces": (
        frame(FIRST_OF_TEXT, b"h") + frame(PING, b"p") + frame(MIDDLE, b"i") + frame(PING, b"q") + frame(LAST),
        answered(PONG, b"p") + answered(PONG, b"q"),
    ),
    "5 one message in pieces after another": (text_in_pieces(b"a", b"b") + text_in_pieces(b"c", b"d"), b""),
    "6 a word": (frame(TEXT, "κόσμε".encode()), b""),
    "6 a character in pieces": (text_in_pieces(b"\xe5", b"\xa5", b"\xbd"), b""),
    "6 a character around a ping": (
        frame(FIRST_OF_TEXT, b"\xf0\x9f") + frame(PING) + frame(LAST, b"\x98\x80"),
        answered(PONG, b""),
    ),
    **{
        f"6 the character {ord(character):x}": (frame(TEXT, character.encode()), b"")
        for character in "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff"
    },
    "9 a message of as much as is allowed, in pieces": (text_in_pieces(b"x" * 4000, b"x" * 96), b""),
}

NOT_UTF_8: Final = (
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80",
    b"\xce",  # cut off
    b"\xe1\xbd",
    b"\xf0\x9f\x98",
    b"\xf8\x88\x80\x80\x80",  # five and six bytes for one character
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",  # beyond the last character
    b"\x80",  # continued without a beginning
    b"\xbf\x80",
    b"\xc0 \xc1 ",  # begun and not continued
    b"\xe0 \xef ",
    b"\xfe",
    b"\xff",
    b"\xc0\xaf",  # longer than it has to be
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",  # halves of UTF-16
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
)

ALLOWED_CODES: Final = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
FORBIDDEN_CODES: Final = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)

# What ends the socket, and the code that says why.
BROKEN: Final[dict[str, tuple[bytes, int]]] = {
    "1 text without a mask": (frame(TEXT, b"hi", is_masked=False), 1002),
    "1 a ping without a mask": (frame(PING, is_masked=False), 1002),
    "1 a close without a mask": (frame(CLOSE, b"\x03\xe8", is_masked=False), 1002),
    "2 a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    **{f"3 reserved bits {bits:x}": (frame(TEXT | bits, b"hi"), 1002) for bits in range(0x10, 0x80, 0x10)},
    "3 a ping with reserved bits": (frame(PING | 0x70), 1002),
    "3 a close with reserved bits": (frame(CLOSE | 0x70), 1002),
    **{f"4 opcode {code:x}": (frame(0x80 | code), 1002) for code in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)},
    "5 a ping in pieces": (frame(PING & 0x7F, b"hi"), 1002),
    "5 a pong in pieces": (frame(PONG & 0x7F, b"hi"), 1002),
    "5 a close in pieces": (frame(CLOSE & 0x7F), 1002),
    "5 the rest of nothing": (frame(LAST, b"hi"), 1002),
    "5 a middle of nothing": (frame(MIDDLE, b"hi"), 1002),
    "5 the rest of what was whole": (text_in_pieces(b"h", b"i") + frame(LAST, b"!"), 1002),
    "5 text inside a text": (frame(FIRST_OF_TEXT, b"h") + frame(TEXT, b"i"), 1002),
    "5 pieces inside pieces": (frame(FIRST_OF_TEXT, b"h") + frame(FIRST_OF_TEXT, b"i"), 1002),
    **{f"6 {data.hex()}": (frame(TEXT, data), 1007) for data in NOT_UTF_8},
    "6 not UTF-8 in pieces": (text_in_pieces(b"\xe5", b"\xa5"), 1007),
    "6 not UTF-8 in the first of pieces": (frame(FIRST_OF_TEXT, b"\xff"), 1007),
    "6 a character that a ping does not complete": (
        frame(FIRST_OF_TEXT, b"\xe5\xa5") + frame(PING, b"\xbd") + frame(LAST),
        1007,
    ),
    "7 a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "7 a close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "7 a close whose reason is not UTF-8": (frame(CLOSE, b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\xed\xa0\x80"), 1007),
    "7 a close inside pieces": (frame(FIRST_OF_TEXT, b"h") + frame(CLOSE, b"\x03\xe8"), 1002),
    **{f"7 a close with {code}": (frame(CLOSE, code.to_bytes(2)), 1002) for code in FORBIDDEN_CODES},
    "9 text too large": (frame(TEXT, b"x" * (MAX_MESSAGE_BYTES + 1)), 1009),
    "9 text too large in pieces": (frame(FIRST_OF_TEXT, b"x" * 4000) + frame(LAST, b"x" * 97), 1009),
    "9 text too large after a thousand pieces": (text_in_pieces(b"x", *[b"xxxxx"] * 819, b"x"), 1009),
    "9 a megabyte announced": (frame(BINARY, length=b"\x7f" + (1 << 20).to_bytes(8)), 1009),
    "9 terabytes announced": (frame(BINARY, length=b"\x7f" + (1 << 40).to_bytes(8)), 1009),
    "9 a negative length": (frame(BINARY, length=b"\x7f" + b"\xff" * 8), 1009),
}

# Goodbyes, and what each is answered with.
GOODBYES: Final[dict[str, tuple[bytes, bytes]]] = {
    "7 without a word": (frame(CLOSE), answered(CLOSE, b"")),
    "7 with a reason of 123 bytes": (
        frame(CLOSE, b"\x03\xe8" + b"x" * 123),
        answered(CLOSE, b"\x03\xe8" + b"x" * 123),
    ),
    **{f"7 with {code}": (frame(CLOSE, code.to_bytes(2)), answered(CLOSE, code.to_bytes(2))) for code in ALLOWED_CODES},
    "7 twice": (frame(CLOSE, b"\x03\xe8") + frame(CLOSE, b"\x03\xe9"), answered(CLOSE, b"\x03\xe8")),
    "7 and then text": (frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"hi"), answered(CLOSE, b"\x03\xe8")),
    "7 and then a ping": (frame(CLOSE, b"\x03\xe8") + frame(PING), answered(CLOSE, b"\x03\xe8")),
}
