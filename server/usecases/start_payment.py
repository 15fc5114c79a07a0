"""A friend presses pay: he gets an attempt of his own, and WeChat's prepay for it."""

from typing import Final

from msgspec import Struct

from server.domain.document import Order, Payment, open_attempt_of
from server.domain.events import Evidence, LeaseReleased, NumberRefused, PaymentStarted, PaymentUnpaid, TradeState
from server.domain.prepaid import Prepaid
from server.errors import OrderNotPayable, WeChatError, WeChatRefused
from server.ports import Bus, Cache, Clock, PayGateway, Store
from server.usecases.change_order import change_order
from server.usecases.confirm_payment import ask_wechat
from server.usecases.prepay import prepay

# WeChat's words for "this number can never be paid again": the friend needs a new one.
_SPENT: Final = frozenset({"ORDERCLOSED"})
# "This number is paid, or was used": only a query tells.
_USED: Final = "OUT_TRADE_NO_USED"
_PERHAPS_PAID: Final = frozenset({"ORDERPAID", _USED})


class StartedPayment(Struct, frozen=True):
    order: Order
    payment: Payment
    prepaid: Prepaid


async def start_payment(
    order_id: str,
    started: PaymentStarted,
    *,
    store: Store,
    bus: Bus,
    cache: Cache,
    gateway: PayGateway,
    clock: Clock,
) -> StartedPayment:
    """
    Give this friend a share to pay and the prepay for it. Pressing twice, or after a crash, gives the same attempt.

    The attempt is stored before WeChat hears of it, with every parameter WeChat compares on a repeat.

    Raises:
        OrderNotPayable, ShareLeased, TooManyAttempts: Nothing was started.
        WeChatUnavailable: The attempt stands; press again.
        WeChatRefused: WeChat will not take this payment.
    """
    for _ in range(3):  # a spent number is replaced once; anything beyond that is not ours to solve
        order = await change_order(order_id, started, store=store, bus=bus, clock=clock)
        payment = open_attempt_of(order, started.payer.openid, started.trade_type, clock.now_ms())
        if payment is None:  # paid or closed by somebody in the meantime
            continue
        try:
            given = await prepay(order, payment, cache=cache, gateway=gateway, clock=clock)
            return StartedPayment(order, payment, given)
        except WeChatError as error:
            code = error.code if isinstance(error, WeChatRefused) else ""
            if code in _PERHAPS_PAID:
                await ask_wechat(payment, Evidence.QUERY, store=store, bus=bus, gateway=gateway, clock=clock)
                if code == _USED:  # by ourselves, with what is said otherwise today: an address of ours, a wording
                    refused = NumberRefused(payment.out_trade_no)
                    await change_order(order_id, refused, store=store, bus=bus, clock=clock)
                continue
            # Without a prepay nobody can be paying: others need not wait for him.
            spent = PaymentUnpaid(payment.out_trade_no, TradeState.CLOSED)
            event = spent if code in _SPENT else LeaseReleased(payment.out_trade_no)
            await change_order(order_id, event, store=store, bus=bus, clock=clock)
            if code not in _SPENT:
                raise
    order = await store.get(order_id)
    raise OrderNotPayable(order_id, order.state)
