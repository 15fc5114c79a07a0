"""Somebody opens the page of an order that may be paid although no notify came."""

from typing import Final

import structlog

from server.domain.document import Order
from server.domain.events import OrderWatched
from server.domain.order import apply
from server.errors import PayError
from server.ports import Bus, Clock, Store
from server.usecases.change_order import change_order

log: Final = structlog.get_logger()


async def ask_sooner(order: Order, openid: str, *, store: Store, bus: Bus, clock: Clock) -> None:
    """
    Have WeChat asked now after the attempts this person waits for; the relay asks, at the merchant's pace.

    Most orders have none, and cost nothing here. Never raises: who watches is served without it, and the ladder stays.
    """
    watched = OrderWatched(openid)
    try:
        if apply(order, watched, now_ms=clock.now_ms()) is not order:
            await change_order(order.order_id, watched, store=store, bus=bus, clock=clock)
    except PayError as error:
        log.warning("not_asked_sooner", order_id=order.order_id, reason=str(error))
