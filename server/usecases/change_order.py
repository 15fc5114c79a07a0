"""The one way an order changes."""

from typing import NamedTuple

from server.domain.document import Order
from server.domain.events import Event
from server.domain.order import apply
from server.ports import Bus, Clock, Store


class Change(NamedTuple):
    """The order as it is now, and whether it became so just now: a repeat changes nothing."""

    order: Order
    is_news: bool


async def change_order(order_id: str, event: Event, *, store: Store, bus: Bus, clock: Clock) -> Order:
    """
    Apply an event to the stored order and tell its watchers; return the order as it is now. Safe to repeat.

    Raises:
        OrderNotFound, OrderError: Nothing was stored.
        StoreUnavailable: Unknown whether it was stored.
    """
    return (await try_change(order_id, event, store=store, bus=bus, clock=clock)).order


async def try_change(order_id: str, event: Event, *, store: Store, bus: Bus, clock: Clock) -> Change:
    """
    As `change_order`, and say whether the event changed anything.

    Whoever loses the race reads again: what was right for the older order may be wrong for the newer one.
    """
    while True:
        before = await store.get(order_id)
        after = apply(before, event, now_ms=clock.now_ms())
        if after is before or await store.replace(after, was_rev=before.rev):
            await bus.publish(after)  # a frame carries the whole state: a repeat is harmless
            return Change(after, is_news=after is not before)
