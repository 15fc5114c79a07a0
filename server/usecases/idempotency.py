"""
Idempotency-Keys: a client that does not know what became of its request may send it again.

A key pins an order's id and the request's bytes before anything is done, so that a crash in between leaves a repeat
nothing to do twice.
"""

import hashlib

from msgspec import Struct

from server.errors import IdempotencyMismatch
from server.ports import KeyClaim, Store


class Idempotency(Struct, frozen=True):
    """The Idempotency-Key as sent, and the bytes it was sent with."""

    key: str
    body: bytes


def stored_key(who: str, key: str) -> str:
    """Return what the key is kept under. Hashed together with who sent it: nobody finds another one's order by it."""
    return hashlib.sha256(f"{who}\n{key}".encode()).hexdigest()


async def pinned_order_id(idempotency: Idempotency, who: str, order_id: str, store: Store, *, now_ms: int) -> str:
    """
    Return the order this key of this sender is about: this one, if the key is new.

    Args:
        now_ms: From when on the key grows old, and is forgotten in the end.

    Raises:
        IdempotencyMismatch: The key was used with another body.
    """
    body_sha256 = hashlib.sha256(idempotency.body).hexdigest()
    claim = await store.claim_key(stored_key(who, idempotency.key), KeyClaim(order_id, body_sha256, now_ms))
    if claim.body_sha256 != body_sha256:
        raise IdempotencyMismatch
    return claim.order_id
