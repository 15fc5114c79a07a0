"""
Who we are to API v2 and how both sides prove it: a hash over the sorted fields and a key that both know.

Source: WeChat Pay API v2, "signature algorithm".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from server.errors import ConfigError, MerchantMismatch, SignatureMismatch
from server.wechat.account import Account

_KEY: Final = re.compile(r"[\x21-\x7e]{32}")
_SIGN: Final = re.compile(r"[0-9A-F]{32}(?:[0-9A-F]{32})?")  # MD5 or HMAC-SHA256, in upper case


class SignType(StrEnum):
    """The algorithm, fixed by configuration; WeChat's words."""

    MD5 = "MD5"
    HMAC_SHA256 = "HMAC-SHA256"


@dataclass(frozen=True, kw_only=True, slots=True)
class Merchant(Account):
    """
    One merchant at API v2. The first of `api_keys` signs, all of them verify, so that a key can be changed. Without
    any nothing can be signed, and nothing is believed.

    Raises:
        ConfigError: A key is not 32 printable ASCII characters.
    """

    api_keys: tuple[str, ...] = field(repr=False)
    notify_url: str
    refund_notify_url: str
    sign_type: SignType = SignType.HMAC_SHA256

    def __post_init__(self) -> None:
        for key in self.api_keys:
            check_key(key)


def check_key(key: str) -> None:
    """
    Return if this can be a merchant's API key.

    Raises:
        ConfigError: It is not 32 printable ASCII characters: under an empty or default key anybody could sign.
    """
    if not _KEY.fullmatch(key):
        raise ConfigError("a WeChat Pay API key must be exactly 32 printable ASCII characters without blanks")


def sign(params: Mapping[str, str], key: str, sign_type: SignType) -> str:
    """
    Return the signature of `params` as upper case hex; a field `sign` and empty values are left out.

    Raises:
        ConfigError: `key` is no API key.
    """
    check_key(key)
    return _digest(_signed_text(params), key, sign_type)


def verify(fields: Mapping[str, str], merchant: Merchant) -> int:
    """
    Return which of the merchant's keys, from 1, signed all these fields with the merchant's algorithm.

    Raises:
        SignatureMismatch: The signature is missing, of another shape or algorithm, or wrong.
    """
    sign_type = merchant.sign_type
    received = fields.get("sign", "")
    # The sender may repeat the algorithm, never choose it.
    if (fields.get("sign_type") or sign_type) != sign_type or not _SIGN.fullmatch(received):
        raise SignatureMismatch
    text = _signed_text(fields)
    for place, key in enumerate(merchant.api_keys, start=1):
        if hmac.compare_digest(received, _digest(text, key, sign_type)):
            return place
    raise SignatureMismatch


def check_ours(fields: Mapping[str, str], merchant: Merchant) -> None:
    """
    Return if these signed fields speak of this merchant.

    Raises:
        MerchantMismatch: They name another `appid` or `mch_id`, or a `sub_mch_id`, which only service providers have.
    """
    if fields.get("appid") not in merchant.appids:
        raise MerchantMismatch("appid")
    if fields.get("mch_id") != merchant.mch_id:
        raise MerchantMismatch("mch_id")
    if (fields.get("sub_mch_id") or merchant.mch_id) != merchant.mch_id:
        raise MerchantMismatch("sub_mch_id")


def _signed_text(params: Mapping[str, str]) -> str:
    return "&".join([f"{name}={value}" for name, value in sorted(params.items()) if value and name != "sign"])


def _digest(text: str, key: str, sign_type: SignType) -> str:
    message = f"{text}&key={key}".encode()
    if sign_type is SignType.MD5:
        return hashlib.md5(message, usedforsecurity=False).hexdigest().upper()
    # Not the one-shot hmac.digest: it lets go of the interpreter lock, and to get that back from a busy thread takes
    # longer than the signature.
    return hmac.new(key.encode(), message, "sha256").hexdigest().upper()
