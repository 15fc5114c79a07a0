"""
Standard Webhooks: how the receiver knows that an event is ours, and not an old one played again.

Signed is `id.timestamp.body`; every secret signs, so that a receiver still holding the old one goes on believing us
while secrets change.

Source: Standard Webhooks specification, "Verifying webhook authenticity", symmetric signatures.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST_BYTES: Final = 24
LONGEST_BYTES: Final = 64


def read_secret(text: str) -> bytes:
    """
    Return the key behind a `whsec_…` secret.

    Raises:
        ValueError: It is none; the sentence does not quote it.
    """
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise ValueError(f"write each secret as {PREFIX} and the base64 of {SHORTEST_BYTES} to {LONGEST_BYTES} bytes")
    return key


def signed_headers(event_id: str, body: bytes, keys: Sequence[bytes], *, now_s: int) -> dict[str, str]:
    """Return the headers that vouch for this body, sent now (Unix seconds)."""
    content = b".".join((event_id.encode(), str(now_s).encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
