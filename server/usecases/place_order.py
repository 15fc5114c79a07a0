"""An initiator asks his friends for money."""

from collections.abc import Callable

from msgspec import Struct

from server.domain.document import Order, new_order
from server.domain.events import Person
from server.domain.money import Fen
from server.errors import DuplicateOrder
from server.ports import Clock, Store
from server.usecases.idempotency import Idempotency, pinned_order_id


class OrderDraft(Struct, frozen=True, kw_only=True):
    """What the initiator wrote; `shares` are amounts in fen that add up to the order's."""

    title: str
    note: str
    shares: tuple[Fen, ...]
    ttl_s: int
    earns: bool
    tells_initiator: bool = False
    tells_merchant: bool = False
    merchant_order_no: str = ""


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
        order_id = await pinned_order_id(idempotency, initiator.openid, order_id, store, now_ms=now_ms)
    return await keep_order(order_id, draft, initiator, store=store, now_ms=now_ms)


async def keep_order(order_id: str, draft: OrderDraft, initiator: Person, *, store: Store, now_ms: int) -> Order:
    """Keep a new order under this id and return it, or the one that has the id already."""
    order = new_order(
        order_id=order_id,
        initiator=initiator,
        title=draft.title,
        note=draft.note,
        shares=draft.shares,
        now_ms=now_ms,
        expires_at_ms=now_ms + draft.ttl_s * 1000,
        merchant_order_no=draft.merchant_order_no,
        earns=draft.earns,
        tells_initiator=draft.tells_initiator,
        tells_merchant=draft.tells_merchant,
    )
    try:
        await store.insert(order)
    except DuplicateOrder:
        return await store.get(order_id)
    return order
