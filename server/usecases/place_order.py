"""An initiator asks his friends for money."""

import hashlib
from collections.abc import Callable

from msgspec import Struct

from server.domain.document import Order, new_order
from server.domain.events import Person
from server.domain.money import Fen
from server.errors import DuplicateOrder, IdempotencyMismatch
from server.ports import Clock, KeyClaim, Store


class OrderDraft(Struct, frozen=True, kw_only=True):
    """What the initiator wrote; `shares` are amounts in fen that add up to the order's."""

    title: str
    note: str
    shares: tuple[Fen, ...]
    ttl_s: int
    earns: bool
    tells_initiator: bool = False


class Idempotency(Struct, frozen=True):
    """The Idempotency-Key as sent, and the bytes it was sent with."""

    key: str
    body: bytes


async def place_order(
    draft: OrderDraft,
    initiator: Person,
    *,
    idempotency: Idempotency | None,
    store: Store,
    clock: Clock,
    new_order_id: Callable[[], str],
) -> Order:
    """
    Keep a new order and return it; under an Idempotency-Key seen before, return the order made then.

    The key pins the order's id before the order is written, so a crash between the two makes no second order.

    Raises:
        IdempotencyMismatch: The key was used with another body.
    """
    order_id, now_ms = new_order_id(), clock.now_ms()
    if idempotency is not None:
        order_id = await _pinned_order_id(idempotency, initiator, order_id, store, now_ms)
    order = new_order(
        order_id=order_id,
        initiator=initiator,
        title=draft.title,
        note=draft.note,
        shares=draft.shares,
        now_ms=now_ms,
        expires_at_ms=now_ms + draft.ttl_s * 1000,
        earns=draft.earns,
        tells_initiator=draft.tells_initiator,
    )
    try:
        await store.insert(order)
    except DuplicateOrder:
        return await store.get(order_id)
    return order


async def _pinned_order_id(
    idempotency: Idempotency, initiator: Person, order_id: str, store: Store, now_ms: int
) -> str:
    # Hashed together with the person: one initiator's key must not find another one's order.
    key = hashlib.sha256(f"{initiator.openid}\n{idempotency.key}".encode()).hexdigest()
    body_sha256 = hashlib.sha256(idempotency.body).hexdigest()
    claim = await store.claim_key(key, KeyClaim(order_id, body_sha256, now_ms))
    if claim.body_sha256 != body_sha256:
        raise IdempotencyMismatch
    return claim.order_id
