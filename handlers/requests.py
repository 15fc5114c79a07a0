"""What clients may send us, and the one reader that turns it into typed values or names the field that is wrong."""

import json
import re
import unicodedata
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from server.domain.events import TradeType

MAX_TITLE: Final = 60
MAX_NOTE: Final = 200
MAX_SHARES: Final = 50
MIN_TTL_S: Final = 60
MAX_TTL_S: Final = 7 * 86400
MAX_DIGITS: Final = 18
MAX_KEY: Final = 255

T = TypeVar("T")

# What the API's description says of a field; it is checked where our own words for a refusal are at hand.
Title = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_TITLE})]
Note = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_NOTE})]
AskedAmount = Annotated[int, Meta(extra_json_schema={"minimum": 1})]
EqualShares = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_SHARES})]
GivenShares = Annotated[list[AskedAmount], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_SHARES})]
TtlS = Annotated[int, Meta(extra_json_schema={"minimum": MIN_TTL_S, "maximum": MAX_TTL_S})]
AskedTradeType = Annotated[str, Meta(extra_json_schema={"enum": list(TradeType)})]


class BadRequest(Exception):
    """A client sent something wrong: `field`, a reason code of `texts.REASONS`, and facts for its words."""

    def __init__(self, field: str, reason: str, **facts: object) -> None:
        super().__init__(field, reason)
        self.detail: dict[str, object] = {"field": field, "reason": reason, **facts}


class CreateOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/orders. `amount` in fen; `shares` a number of equal ones, or their amounts in fen."""

    title: Title
    amount: AskedAmount
    shares: EqualShares | GivenShares = 1
    note: Note = ""
    expires_in_s: TtlS | None = None


class StartPayment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/orders/<id>/payments."""

    trade_type: AskedTradeType

    def wanted(self, offered: Collection[TradeType]) -> TradeType:
        """
        Raises:
            BadRequest: There is no such trade type, or this merchant does not offer it.
        """
        if self.trade_type not in list(TradeType):
            raise BadRequest("trade_type", "unsupported")
        if self.trade_type not in offered:
            raise BadRequest("trade_type", "not_offered", offered=", ".join(sorted(offered)))
        return TradeType(self.trade_type)


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """A request that says all in its address: `{}` or no body."""


def read_json(body: bytes, kind: type[T]) -> T:
    """
    Return the body as a value of this kind. Strict: no other types, no unknown or repeated fields, no NaN.

    Raises:
        BadRequest: Names the first field that is wrong.
    """
    try:
        data = json.loads(body.decode() or "{}", object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("body", "invalid_json") from error
    if not isinstance(data, dict):
        raise BadRequest("body", "type", expected="object")
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _bad_request(str(error)) from error


def clean_text(value: str, field: str, *, max_length: int, required: bool, lines: Literal["one", "many"]) -> str:
    """
    Return the text without blanks around it.

    Raises:
        BadRequest: Blank though required, too long, or with characters that nobody can type and that could make a
            page lie (control characters, half surrogates, direction overrides).
    """
    value = value.strip()
    if required and not any(map(_is_visible, value)):
        raise BadRequest(field, "blank")
    if len(value) > max_length:
        raise BadRequest(field, "max_length", limit=max_length)
    if any(map(_is_forbidden, value.replace("\n", "") if lines == "many" else value)):
        raise BadRequest(field, "control")
    return value


def check_range(value: int, field: str, *, least: int, most: int) -> int:
    """
    Return the number.

    Raises:
        BadRequest: It is out of range.
    """
    if value < least:
        raise BadRequest(field, "min", limit=least)
    if value > most:
        raise BadRequest(field, "max", limit=most)
    return value


def whole_number(text: str, field: str) -> int:
    """
    Return the number a query argument spells.

    Raises:
        BadRequest: It spells none, or one beyond every limit of ours.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadRequest(field, "type", expected="int")
    return int(text)


def _is_forbidden(character: str) -> bool:
    # "Cn" is not among them: a phone knows newer emoji than this Python does.
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Co")
        or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        or ord(character) & 0xFFFE == 0xFFFE  # no character at all, and illegal in the XML we send
    )


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cf", "Zl", "Zp", "Zs")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not name.isprintable():  # no field of ours, and not to be echoed as it is
            raise BadRequest(ascii(name[:40])[1:-1], "unknown")
        if name in found:
            raise BadRequest(name[:40], "duplicate")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise BadRequest("body", "invalid_json")


_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_MISSING: Final = re.compile(r"missing required field `(.+?)`")
_UNKNOWN: Final = re.compile(r"unknown field `(.*?)`")
_EXPECTED: Final = re.compile(r"^Expected `(.+?)`")


def _bad_request(message: str) -> BadRequest:
    """Turn msgspec's sentence into a field and a reason of ours."""
    if missing := _MISSING.search(message):
        return BadRequest(missing[1], "missing")
    if unknown := _UNKNOWN.search(message):
        return BadRequest(unknown[1][:40], "unknown")
    path = _PATH.search(message)
    expected = _EXPECTED.search(message)
    field = (path[1] if path else "") or "body"
    return BadRequest(field, "type", expected=expected[1] if expected else "another type")
