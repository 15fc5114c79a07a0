"""The initiator gives the money back."""

from server.domain.document import Order, order_id_of
from server.domain.events import RefundRequested
from server.errors import OrderNotFound, UnknownAttempt
from server.ports import Bus, Clock, Store
from server.usecases.change_order import change_order


async def refund_order(
    order_id: str, asked: RefundRequested, openid: str, *, store: Store, bus: Bus, clock: Clock
) -> Order:
    """
    Owe back what is asked for; the relay pays it. The whole order can be asked back any number of times.

    Raises:
        OrderNotFound: There is none, or this person did not place it.
        IllegalTransition: It is not paid.
        UnknownAttempt, RefundTooLarge: There is no such payment, or not so much of it.
    """
    order = await store.get(order_id)
    if order.initiator.openid != openid:
        raise OrderNotFound(order_id)
    if asked.out_trade_no is not None and order_id_of(asked.out_trade_no) != order_id:
        raise UnknownAttempt(asked.out_trade_no)
    return await change_order(order_id, asked, store=store, bus=bus, clock=clock)
