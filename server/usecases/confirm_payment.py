"""The friend's page came back from the cashier: ask WeChat what really happened."""

from server.domain.document import Order, Payment, find_attempt, order_id_of
from server.domain.events import Evidence, LeaseReleased, PaymentConfirmed
from server.errors import OrderNotFound, UnknownAttempt, WeChatRefused
from server.ports import Bus, Clock, PayGateway, Store
from server.usecases.change_order import change_order
from server.usecases.settle import settle


async def confirm_payment(
    out_trade_no: str, openid: str, *, store: Store, bus: Bus, gateway: PayGateway, clock: Clock
) -> Order:
    """
    Return the order with the true state of this friend's attempt; the page's own word for it is never believed.

    Raises:
        OrderNotFound: No such attempt, or it is somebody else's.
        WeChatUnavailable: Still unknown; ask again.
    """
    order = await _order_with_own_attempt(out_trade_no, openid, store)
    payment = find_attempt(order, out_trade_no)
    if payment.is_paid:
        return order
    return await ask_wechat(payment, Evidence.RETURN, store=store, bus=bus, gateway=gateway, clock=clock)


async def release_payment(out_trade_no: str, openid: str, *, store: Store, bus: Bus, clock: Clock) -> Order:
    """
    Let other friends have the share this friend did not pay. His attempt stays good: WeChat may still take its money.

    Raises:
        OrderNotFound: No such attempt, or it is somebody else's.
    """
    order = await _order_with_own_attempt(out_trade_no, openid, store)
    return await change_order(order.order_id, LeaseReleased(out_trade_no), store=store, bus=bus, clock=clock)


async def ask_wechat(
    payment: Payment, evidence: Evidence, *, store: Store, bus: Bus, gateway: PayGateway, clock: Clock
) -> Order:
    """
    Query one attempt and write down what WeChat says of it.

    Raises:
        WeChatUnavailable: Unknown; nothing was stored.
    """
    order_id = order_id_of(payment.out_trade_no)
    try:
        result = await gateway.query(payment, evidence=evidence)
    except WeChatRefused as refused:
        if refused.code != "ORDERNOTEXIST":
            raise
        return await store.get(order_id)  # our order call never got through: nobody can have paid
    if isinstance(result, PaymentConfirmed):
        return (await settle(result, store=store, bus=bus, clock=clock)).order
    return await change_order(order_id, result, store=store, bus=bus, clock=clock)


async def _order_with_own_attempt(out_trade_no: str, openid: str, store: Store) -> Order:
    order = await store.get(order_id_of(out_trade_no))
    try:
        payment = find_attempt(order, out_trade_no)
    except UnknownAttempt as unknown:
        raise OrderNotFound(order.order_id) from unknown
    if not payment.is_of(openid):
        raise OrderNotFound(order.order_id)
    return order
