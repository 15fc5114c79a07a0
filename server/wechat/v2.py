"""
The pay notify of API v2: from the bytes WeChat posts to what they prove, and our reply.

Nothing is believed before the signature holds. Whether the order exists, the amount is right and the payer is the
expected one is the order's business, not known here.

Source: WeChat Pay API v2, "payment result notification".
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from server.domain.events import Evidence, PaymentConfirmed
from server.errors import MalformedNotify, MerchantMismatch
from server.wechat.flat_xml import read_flat_xml
from server.wechat.proof import KeyKind, Proved, uncounted
from server.wechat.v2_payment import paid_payment
from server.wechat.v2_sign import Merchant, check_ours, verify

REPLY_SUCCESS: Final = (
    b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
)

# The fields that decide something here. Names and values are signed as one string, in which a value such as
# "CFT&total_fee=1" reads like a field of its own.
_DECIDING_FIELD_INSIDE: Final = re.compile(
    r"&(?:return_code|result_code|sign_type|appid|mch_id|sub_mch_id|trade_type"
    r"|out_trade_no|transaction_id|total_fee|fee_type|openid|time_end)=",
)


class NotPaid(Struct, frozen=True):
    """A notify that reports no payment and changes nothing; it is acknowledged all the same. `field` said so."""

    field: Literal["return_code", "result_code", "event_type"]


def parse_notify(
    headers: Mapping[str, str], body: bytes, merchant: Merchant, *, proved: Proved = uncounted
) -> PaymentConfirmed | NotPaid:
    """
    Read one payment notify. Fetches, stores and logs nothing.

    Args:
        headers: Unused: API v2 says nothing in them, and nothing about the sender replaces the signature.
        body: The bytes as received.
        proved: Told which key it was signed with.

    Raises:
        MalformedNotify, SignatureMismatch, MerchantMismatch: The peer's fault.
    """
    fields = read_flat_xml(body)
    if _says_fail(fields, "return_code") or fields.keys() <= {"return_code", "return_msg"}:
        return NotPaid("return_code")  # carries no signature, and nothing to sign
    proved(KeyKind.API_KEY, str(verify(fields, merchant)))
    _check_unambiguous(fields)
    if _says_fail(fields, "result_code"):
        return NotPaid("result_code")
    check_ours(fields, merchant)
    if not merchant.takes(fields.get("trade_type", ""), appid=fields["appid"]):
        raise MerchantMismatch("trade_type")  # money paid in a way we do not order is none of ours
    return paid_payment(fields, Evidence.NOTIFY)


def reply_fail(reason: str) -> bytes:
    """Return the reply that makes WeChat send the notify again. `reason` is a fixed word: it must not help guessing."""
    return_msg = reason.replace("]]>", "]]]]><![CDATA[>")
    return (
        f"<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[{return_msg}]]></return_msg></xml>"
    ).encode()


def _says_fail(fields: Mapping[str, str], name: str) -> bool:
    value = fields.get(name)
    if value not in ("SUCCESS", "FAIL"):
        raise MalformedNotify(name)
    return value == "FAIL"


def _check_unambiguous(fields: Mapping[str, str]) -> None:
    """Two notifies under one signature must not say two things: a field cannot hide in another one's value."""
    for value in fields.values():
        if "&" in value and _DECIDING_FIELD_INSIDE.search(value):
            raise MalformedNotify("a field inside a value")
