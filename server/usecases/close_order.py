"""The initiator changes his mind."""

from server.domain.document import Order
from server.domain.events import CloseRequested
from server.errors import OrderNotFound
from server.ports import Bus, Clock, Store
from server.usecases.change_order import change_order


async def close_order(order_id: str, openid: str, *, store: Store, bus: Bus, clock: Clock) -> Order:
    """
    Begin to close the order: at once when no friend can still pay, else as soon as WeChat has closed his attempt.

    Raises:
        OrderNotFound: There is none, or this person did not place it.
        IllegalTransition: It is paid.
    """
    order = await store.get(order_id)
    if order.initiator.openid != openid:
        raise OrderNotFound(order_id)
    return await change_order(order_id, CloseRequested(), store=store, bus=bus, clock=clock)
