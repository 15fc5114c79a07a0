"""The fields of API v2 that decide something, each held to its form."""

import re
from collections.abc import Mapping
from typing import Final

from server.domain.money import Fen
from server.errors import MalformedNotify

_NUMBER: Final = re.compile(r"[0-9A-Za-z_-]{1,32}")  # of WeChat's making
_FEE: Final = re.compile(r"[1-9][0-9]{0,9}")  # int() alone reads "１", " 1", "+1" and "1_00" as well

_FORMS: Final = {
    "out_trade_no": re.compile(r"[0-9A-Za-z_|*@-]{6,32}"),
    "transaction_id": _NUMBER,
    "total_fee": _FEE,
    "fee_type": re.compile(r"[A-Z]{3}"),
    "openid": re.compile(r"[0-9A-Za-z_-]{1,128}"),
    "out_refund_no": re.compile(r"[0-9A-Za-z_|*@-]{1,64}"),
    "refund_id": _NUMBER,
    "refund_fee": _FEE,
}


def checked(fields: Mapping[str, str], name: str) -> str:
    """
    Return the field.

    Raises:
        MalformedNotify: It is missing or not of its form; the reason is its name.
    """
    value = fields.get(name, "")
    if not _FORMS[name].fullmatch(value):
        raise MalformedNotify(name)
    return value


def fen(fields: Mapping[str, str], name: str) -> Fen:
    """
    Return the field as an amount above zero.

    Raises:
        MalformedNotify: As for `checked`.
    """
    return Fen(int(checked(fields, name)))
