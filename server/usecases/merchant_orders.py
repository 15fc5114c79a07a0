"""
Orders the merchant's own server places, and those it looks for.

Its number for an order is pinned like an Idempotency-Key: one number is one order, and a repeat of the request that
made it finds it, whatever died in between.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from server.domain.document import Order, OrderState
from server.domain.events import Person
from server.errors import IdempotencyMismatch, MerchantOrderNoTaken, OrderNotFound
from server.ports import Clock, Store
from server.usecases.idempotency import Idempotency, pinned_order_id, stored_key
from server.usecases.place_order import OrderDraft, keep_order

# Whose keys these are; no openid has a blank in it.
MERCHANT: Final = "the merchant"
_ORDER_NOS: Final = "the merchant's order numbers"

# A key is forgotten once it is old; a number stands for its order for good.
_NEVER_OLD_MS: Final = 2**53


class OrderQuery(Struct, frozen=True, kw_only=True):
    """Which orders: `from_id <= order_id < before`, and only those in this state or under this number if given."""

    from_id: str
    before: str
    state: OrderState | None
    merchant_order_no: str | None
    limit: int


async def place_merchant_order(
    draft: OrderDraft,
    initiator: Person,
    *,
    body: bytes,
    idempotency_key: str | None,
    store: Store,
    clock: Clock,
    new_order_id: Callable[[], str],
) -> Order:
    """
    Keep a new order under the merchant's own number and return it; the same request again returns the same order.

    Raises:
        IdempotencyMismatch: The key was used with another body.
        MerchantOrderNoTaken: The number was used with another body.
    """
    order_id, now_ms = new_order_id(), clock.now_ms()
    if idempotency_key is not None:
        order_id = await pinned_order_id(Idempotency(idempotency_key, body), MERCHANT, order_id, store, now_ms=now_ms)
    number = Idempotency(draft.merchant_order_no, body)
    try:
        order_id = await pinned_order_id(number, _ORDER_NOS, order_id, store, now_ms=_NEVER_OLD_MS)
    except IdempotencyMismatch as other:
        raise MerchantOrderNoTaken(draft.merchant_order_no) from other
    return await keep_order(order_id, draft, initiator, store=store, now_ms=now_ms)


async def find_orders(query: OrderQuery, store: Store) -> Sequence[Order]:
    """Return the orders asked for, newest first."""
    if query.merchant_order_no is None:
        return await store.list_orders(from_id=query.from_id, before=query.before, state=query.state, limit=query.limit)
    claim = await store.find_key(stored_key(_ORDER_NOS, query.merchant_order_no))
    if claim is None or not query.from_id <= claim.order_id < query.before:
        return []
    try:
        order = await store.get(claim.order_id)
    except OrderNotFound:
        return []  # its number is pinned, the order itself is about to be written
    return [order] if query.state in (None, order.state) else []
