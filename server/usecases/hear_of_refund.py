"""WeChat says that a refund came to its end: not proof, but reason to ask at once."""

from msgspec import Struct

from server.domain.document import order_id_of
from server.domain.events import RefundReported
from server.domain.money import Fen
from server.domain.refunds import find_refund
from server.errors import AmountMismatch, TransactionMismatch, UnknownAttempt
from server.ports import Bus, Clock, Store
from server.usecases.change_order import Change, try_change


class RefundNews(Struct, frozen=True, kw_only=True):
    """What a refund notify names; `amount` is what went back."""

    out_trade_no: str
    out_refund_no: str
    transaction_id: str
    amount: Fen


async def hear_of_refund(news: RefundNews, *, store: Store, bus: Bus, clock: Clock) -> Change:
    """
    Make the question after this refund due now, once every number and the amount are those we wrote down.

    The notify is encrypted but not signed, so it changes no refund itself; and it may come before WeChat has answered
    the call that asked for the refund.

    Raises:
        OrderNotFound, UnknownAttempt, TransactionMismatch, AmountMismatch: Nothing was stored; somebody has to look.
        StoreUnavailable: Unknown; do not acknowledge.
    """
    order = await store.get(order_id_of(news.out_refund_no))
    payment, refund = find_refund(order, news.out_refund_no)
    if payment.out_trade_no != news.out_trade_no:
        raise UnknownAttempt(news.out_trade_no)
    if payment.transaction_id != news.transaction_id:
        raise TransactionMismatch(news.out_trade_no, news.transaction_id)
    if refund.amount != news.amount:
        raise AmountMismatch(news.out_refund_no, refund.amount, news.amount)
    reported = RefundReported(news.out_refund_no)
    return await try_change(order.order_id, reported, store=store, bus=bus, clock=clock)
