"""A person has seen to what parked an effect: run it again."""

from server.domain.document import Order
from server.domain.events import EffectResumed
from server.ports import Bus, Clock, Store
from server.usecases.change_order import change_order


async def retry_effect(order_id: str, key: str, *, store: Store, bus: Bus, clock: Clock) -> Order:
    """
    Make the effect due now; fine if it is gone or was never parked.

    Raises:
        OrderNotFound: There is no such order.
    """
    return await change_order(order_id, EffectResumed(key), store=store, bus=bus, clock=clock)
