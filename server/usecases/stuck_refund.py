"""
A refund that WeChat will not bring to its end by itself, in the hands of a person.

WeChat is asked first, always: of a refund that has arrived, or still may, nobody pays the money a second time. What a
person decides is written by one compare-and-set, so a repeat of it, at any time, pays nothing more.
"""

from server.domain.document import Order, Refund, order_id_of
from server.domain.events import RefundAskedAgain, RefundSettledByHand, RefundState
from server.domain.refunds import find_refund
from server.errors import RefundNotClosed, RefundNotStuck, WeChatRefused
from server.ports import Bus, Clock, PayGateway, Store
from server.usecases.change_order import Change, change_order, try_change


async def refund_again(out_refund_no: str, *, store: Store, bus: Bus, gateway: PayGateway, clock: Clock) -> Change:
    """
    Owe a refund that WeChat closed under a new number; the relay pays it.

    Raises:
        OrderNotFound, UnknownAttempt: There is no such refund.
        RefundNotClosed: It is not closed, by WeChat's own word of this moment.
        TooManyRefunds: Its payment can go back in no more parts.
        WeChatError: WeChat did not say how it stands.
    """
    refund = await _find(out_refund_no, store)
    if not refund.is_out_of_hand:
        state = await _ask(out_refund_no, store=store, bus=bus, gateway=gateway, clock=clock)
        if state is not RefundState.CLOSED:
            raise RefundNotClosed(out_refund_no, state)
    return await _change(RefundAskedAgain(out_refund_no), store=store, bus=bus, clock=clock)


async def settle_by_hand(
    out_refund_no: str, note: str, *, store: Store, bus: Bus, gateway: PayGateway, clock: Clock
) -> Change:
    """
    Write down that a person has paid a stuck refund back outside WeChat, with his note of how.

    Raises:
        OrderNotFound, UnknownAttempt: There is no such refund.
        RefundNotStuck: WeChat has paid it, may still pay it, or pays it under a new number.
        WeChatError: WeChat did not say how it stands.
    """
    refund = await _find(out_refund_no, store)
    if not refund.is_out_of_hand:
        try:
            state = await _ask(out_refund_no, store=store, bus=bus, gateway=gateway, clock=clock)
        except WeChatRefused as refused:
            if refused.code != "REFUNDNOTEXIST":  # it was refused from the start, and nothing of it can arrive
                raise
            state = refund.state
        if not state.is_stuck:
            raise RefundNotStuck(out_refund_no, state)
    return await _change(RefundSettledByHand(out_refund_no, note), store=store, bus=bus, clock=clock)


async def _find(out_refund_no: str, store: Store) -> Refund:
    order = await store.get(order_id_of(out_refund_no))
    return find_refund(order, out_refund_no)[1]


async def _ask(out_refund_no: str, *, store: Store, bus: Bus, gateway: PayGateway, clock: Clock) -> RefundState:
    """Return how WeChat says it stands now; that is written down too."""
    order: Order = await store.get(order_id_of(out_refund_no))
    progressed = await gateway.query_refund(*find_refund(order, out_refund_no))
    await change_order(order.order_id, progressed, store=store, bus=bus, clock=clock)
    return progressed.state


async def _change(event: RefundAskedAgain | RefundSettledByHand, *, store: Store, bus: Bus, clock: Clock) -> Change:
    return await try_change(order_id_of(event.out_refund_no), event, store=store, bus=bus, clock=clock)
