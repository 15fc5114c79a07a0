"""API v2's signature, written apart from the server's so that one mistake cannot hide on both sides. Pure."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

MD5: Final = "MD5"
HMAC_SHA256: Final = "HMAC-SHA256"
SIGN_TYPES: Final = frozenset({MD5, HMAC_SHA256})


def sign(fields: Mapping[str, str], api_key: str, sign_type: str) -> str:
    """
    Return the upper-case hex signature over every field that is not empty, `sign` itself left out.

    Args:
        sign_type: MD5 or HMAC-SHA256.
    """
    names = sorted(name for name, value in fields.items() if value and name != "sign")
    text = "&".join([f"{name}={fields[name]}" for name in names] + [f"key={api_key}"]).encode()
    if sign_type == HMAC_SHA256:
        return hmac.new(api_key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


def is_signed(fields: Mapping[str, str], api_key: str, sign_type: str) -> bool:
    """Tell whether `fields["sign"]` is the signature of the other fields."""
    return hmac.compare_digest(fields.get("sign", "").encode(), sign(fields, api_key, sign_type).encode())


def pay_sign(call: Mapping[str, str], api_key: str) -> str:
    """
    Return the paySign of a getBrandWCPayRequest call.

    Args:
        call: appId, timeStamp, nonceStr, package, signType; anything else is not signed.
    """
    names = ("appId", "timeStamp", "nonceStr", "package", "signType")
    return sign({name: call[name] for name in names}, api_key, call["signType"])


def nonce() -> str:
    """Return a nonce_str: 32 characters."""
    return secrets.token_hex(16)
