"""The initiator or the merchant gives the money back."""

from msgspec.structs import replace

from server.domain.document import Order, order_id_of
from server.domain.events import RefundRequested
from server.domain.order import apply
from server.errors import IdempotencyMismatch, OrderNotFound, UnknownAttempt
from server.ports import Bus, Clock, Store
from server.usecases.change_order import change_order
from server.usecases.idempotency import Idempotency, pinned_order_id, stored_key


async def refund_own_order(
    order_id: str,
    asked: RefundRequested,
    openid: str,
    *,
    idempotency: Idempotency | None,
    store: Store,
    bus: Bus,
    clock: Clock,
) -> Order:
    """
    Owe back what the initiator asks for.

    Raises:
        OrderNotFound: There is none, or this person did not place it.
        IllegalTransition, UnknownAttempt, RefundTooLarge, TooManyRefunds, IdempotencyMismatch: As `refund_order`.
    """
    order = await store.get(order_id)
    if order.initiator.openid != openid:
        raise OrderNotFound(order_id)
    return await refund_order(order_id, asked, openid, idempotency=idempotency, store=store, bus=bus, clock=clock)


async def refund_order(
    order_id: str,
    asked: RefundRequested,
    who: str,
    *,
    idempotency: Idempotency | None,
    store: Store,
    bus: Bus,
    clock: Clock,
) -> Order:
    """
    Owe back what is asked for; the relay pays it. All that is left can be asked for any number of times.

    Under an Idempotency-Key the request is known again by the order itself: its name is written by the very change that
    owes the money, so that a repeat, at any time and after any crash, owes nothing more.

    Raises:
        OrderNotFound: There is none.
        IllegalTransition: It is not paid.
        UnknownAttempt, RefundTooLarge: There is no such payment, or not so much of it.
        TooManyRefunds: It can go back in no more parts.
        IdempotencyMismatch: The key was used with another body, or for another order.
    """
    if asked.out_trade_no is not None and order_id_of(asked.out_trade_no) != order_id:
        raise UnknownAttempt(asked.out_trade_no)
    if idempotency is not None:
        sender = f"{who}\nrefund"
        asked = replace(asked, asked_by=stored_key(sender, idempotency.key))
        # What the order refuses uses no key up.
        now_ms = clock.now_ms()
        apply(await store.get(order_id), asked, now_ms=now_ms)
        if await pinned_order_id(idempotency, sender, order_id, store, now_ms=now_ms) != order_id:
            raise IdempotencyMismatch
    return await change_order(order_id, asked, store=store, bus=bus, clock=clock)
