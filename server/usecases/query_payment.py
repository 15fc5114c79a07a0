"""The question nobody has to ask: how does this attempt stand at WeChat?"""

from typing import Final

from server.domain.document import Order, Payment, find_attempt
from server.domain.effects import Effect
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, TradeState
from server.errors import WeChatRefused
from server.usecases.effect_means import Means, Outcome, postponed
from server.usecases.name_payer import name_payer

# An order call of ours may still be on its way while its attempt can be paid, and our clocks differ.
UNHEARD_OF_FOR_MS: Final = 3600 * 1000


async def query_payment(order: Order, effect: Effect, means: Means) -> Outcome:
    """Ask, and ask again by the ladder until the attempt is paid, closed, or never came to be."""
    out_trade_no = effect.about
    payment = find_attempt(order, out_trade_no)
    result = await ask(payment, means)
    if result is None:
        if means.clock.now_ms() >= payment.expires_at_ms + UNHEARD_OF_FOR_MS:
            return (PaymentUnpaid(out_trade_no, TradeState.CLOSED),)
        return (postponed(effect, "ORDERNOTEXIST", means),)
    if is_final(result):
        return (result,)
    return (result, postponed(effect, _state_of(result), means))


async def ask(payment: Payment, means: Means) -> PaymentConfirmed | PaymentUnpaid | None:
    """
    Return WeChat's word on this attempt, None if it never heard of it.

    Raises:
        WeChatUnavailable, WeChatRefused, StoreUnavailable: Unknown.
    """
    await means.pace.turn("orderquery")
    try:
        result = await means.gateway.query(payment, evidence=Evidence.QUERY)
    except WeChatRefused as refused:
        if refused.code != "ORDERNOTEXIST":
            raise
        return None
    return await name_payer(result, store=means.store) if isinstance(result, PaymentConfirmed) else result


def is_final(result: PaymentConfirmed | PaymentUnpaid | None) -> bool:
    """Is it paid or closed?"""
    return isinstance(result, PaymentConfirmed) or (result is not None and result.trade_state is TradeState.CLOSED)


def _state_of(result: PaymentConfirmed | PaymentUnpaid) -> str:
    return TradeState.SUCCESS if isinstance(result, PaymentConfirmed) else result.trade_state
