"""
The flat XML of API v2, read strictly: `<xml>`, one level of `<name>text or CDATA</name>`, nothing else. What a refund
notify holds encrypted has the root `<root>` instead.

What WeChat posts is reachable by everybody, so this grammar has no word for a document type, an entity of one's own, a
comment, a processing instruction, an attribute, a nested or a repeated element: there is nothing to expand and nothing
to read in two ways. Every accepted body reads in any conforming XML parser to the same mapping.

It follows XML 1.0 where two readers could differ: CR LF and a lone CR become LF before anything is read (a CR written
as `&#13;` stays), values are not trimmed, `&name;` and `&#n;` are resolved outside CDATA only. An XML declaration that
says version 1.0 and UTF-8 is let through, because XML writers put one there unasked.
"""

import re
from typing import Final, Literal

from server.errors import MalformedNotify

Root = Literal["xml", "root"]

MAX_BODY_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 128  # a notify has some 25, and three more for each coupon
MAX_VALUE_LENGTH: Final = 8 * 1024  # characters; the longest field WeChat names is promotion_detail with 6000

# Every quantifier is possessive or bounded, so that no input makes the scan go back over what it has read.
_CHARS: Final = r"[^\]]*+(?:\](?!\]>)[^\]]*+)*+"  # of a CDATA section: up to the first "]]>"
_CDATA: Final = rf"<!\[CDATA\[({_CHARS})\]\]>"
_DECLARATION: Final = (
    r"""(?:<\?xml[ ]version=(?:"1\.0"|'1\.0')(?:[ ]encoding=(?:"(?i:utf-8)"|'(?i:utf-8)'))?[ ]?\?>)?"""
)
_OPENINGS: Final[dict[Root, re.Pattern[str]]] = {
    "xml": re.compile(_DECLARATION + r"[ \t\n]*+<xml>[ \t\n]*+"),
    "root": re.compile(_DECLARATION + r"[ \t\n]*+<root>[ \t\n]*+"),
}
# The last branch takes all the rest at the first thing that is no field: one pass, and the first failure is the end.
_FIELDS: Final = re.compile(
    rf"<([a-z_][a-z0-9_]{{0,39}}+)"
    rf"(?:>(?:{_CDATA}|([^<&\]]*+)|((?:[^<]++|<!\[CDATA\[{_CHARS}\]\]>)*+))</\1>|[ ]?/>)[ \t\n]*+"
    r"|(.+)",
    re.DOTALL,
)
_PIECES: Final = re.compile(
    rf"{_CDATA}|([^<&\]]++|\](?!\]>))|&(?:(amp|lt|gt|quot|apos)|#([0-9]{{1,7}}+)|#x([0-9A-Fa-f]{{1,6}}+));|(.+)",
    re.DOTALL,
)
_PREDEFINED: Final = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}

# XML 1.0 §2.2, "Char": what no XML document may hold, not even by reference. UTF-8 has no surrogates to begin with.
_CONTROLS: Final = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")


def read_flat_xml(body: bytes, root: Root = "xml") -> dict[str, str]:
    """
    Return the fields in the order they were sent; an empty element is the empty string.

    Raises:
        MalformedNotify: The body is outside the grammar or too large.
    """
    text = _decode(body)
    opening = _OPENINGS[root].match(text)
    closing = f"</{root}>"
    end = len(text.rstrip(" \t\n")) - len(closing)
    if opening is None or end < opening.end() or not text.startswith(closing, end):
        raise MalformedNotify(f"root is not <{root}>")
    fields: dict[str, str] = {}
    found = _FIELDS.findall(text, opening.end(), end)
    for name, cdata, plain, mixed, rest in found:
        if rest:
            raise MalformedNotify("not a flat element")
        fields[name] = cdata or plain or (mixed and _join(mixed))
    _check_limits(fields, len(found), len(text))
    return fields


def _decode(body: bytes) -> str:
    if len(body) > MAX_BODY_BYTES:
        raise MalformedNotify("body too large")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedNotify("not UTF-8") from None  # the cause would carry the body into the log
    if len(body.translate(None, _CONTROLS)) != len(body) or "\ufffe" in text or "\uffff" in text:
        raise MalformedNotify("illegal character")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _check_limits(fields: dict[str, str], count: int, length: int) -> None:
    if not fields:
        raise MalformedNotify("no fields")
    if count > MAX_FIELDS:
        raise MalformedNotify("too many fields")
    if len(fields) != count:
        raise MalformedNotify("repeated element")
    if length > MAX_VALUE_LENGTH and max(map(len, fields.values())) > MAX_VALUE_LENGTH:
        raise MalformedNotify("value too long")


def _join(mixed: str) -> str:
    """Join a value written in several pieces: CDATA sections, text, references."""
    return "".join(map(_piece, _PIECES.findall(mixed)))


def _piece(found: tuple[str, str, str, str, str, str]) -> str:
    cdata, plain, predefined, decimal, hexadecimal, rest = found
    if rest:
        raise MalformedNotify("bare & or ]]>")
    if predefined:
        return _PREDEFINED[predefined]
    if decimal or hexadecimal:
        return _char(int(decimal) if decimal else int(hexadecimal, 16))
    return cdata or plain


def _char(code: int) -> str:
    legal = 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000 or code in (9, 10, 13)
    if not legal:
        raise MalformedNotify("illegal character")
    return chr(code)
