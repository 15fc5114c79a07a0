"""
JSON of API v3, read strictly into typed values; unknown fields are left alone, because WeChat adds some.

The forms of the fields that decide something are types here, so that a value that was read is a value that was checked.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from server.errors import MalformedNotify

# `\Z`: `$` would let a line feed pass.
OutTradeNo = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_|*@-]{6,32}\Z")]
OutRefundNo = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_|*@-]{1,64}\Z")]
WeChatNumber = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{1,64}\Z")]  # of WeChat's making
OpenId = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{1,128}\Z")]
Currency = Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
FenAmount = Annotated[int, Meta(ge=1, le=10**10)]

T = TypeVar("T")

_FIELD: Final = re.compile(r"`\$\.?([^`]*)`$|field `(\w+)`")


def read_json(body: bytes, kind: type[T]) -> T:
    """
    Return the body as a value of this kind.

    Raises:
        MalformedNotify: It is none; the reason is the field, or `json`, and never a value.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        field = _FIELD.search(str(error))
        raise MalformedNotify((field and (field[1] or field[2])) or "json") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedNotify("json") from None
