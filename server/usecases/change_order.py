"""The one way an order changes."""

from server.domain.document import Order
from server.domain.events import Event
from server.domain.order import apply
from server.ports import Bus, Clock, Store


async def change_order(order_id: str, event: Event, *, store: Store, bus: Bus, clock: Clock) -> Order:
    """
    Apply an event to the stored order and tell its watchers; return the order as it is now. Safe to repeat.

    Whoever loses the race reads again: what was right for the older order may be wrong for the newer one.

    Raises:
        OrderNotFound, OrderError: Nothing was stored.
        StoreUnavailable: Unknown whether it was stored.
    """
    while True:
        before = await store.get(order_id)
        after = apply(before, event, now_ms=clock.now_ms())
        if after is before or await store.replace(after, was_rev=before.rev):
            await bus.publish(after)  # a frame carries the whole state: a repeat is harmless
            return after
