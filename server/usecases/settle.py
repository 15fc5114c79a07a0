"""WeChat says a payment succeeded: write it down, once."""

from server.domain.document import order_id_of
from server.domain.events import PaymentConfirmed
from server.ports import Bus, Clock, Store
from server.usecases.change_order import Change, try_change
from server.usecases.name_payer import name_payer


async def settle(paid: PaymentConfirmed, *, store: Store, bus: Bus, clock: Clock) -> Change:
    """
    Record what WeChat says of one payment and tell the order's watchers; safe to call again, which is then no news.

    One read (a second one where a code or a link was paid, by whom only WeChat knows) and one compare-and-set:
    everything that follows from it (reward, refund, webhook) is an effect in the same write.

    Raises:
        OrderNotFound, UnknownAttempt: WeChat knows a number that we do not (yet).
        AmountMismatch, PayerMismatch, TransactionMismatch: Nothing was stored; somebody has to look.
        StoreUnavailable: Unknown; do not acknowledge, WeChat will send it again.
    """
    named = await name_payer(paid, store=store)
    return await try_change(order_id_of(paid.out_trade_no), named, store=store, bus=bus, clock=clock)
