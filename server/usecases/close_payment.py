"""An attempt nobody needs any more: close it at WeChat, unless the friend was faster."""

from server.domain.document import Order, find_attempt
from server.domain.effects import CLOSE_NOT_BEFORE_S, Effect
from server.domain.events import EffectFinished, EffectPostponed, PaymentConfirmed, PaymentUnpaid, TradeState
from server.errors import WeChatRefused
from server.usecases.effect_means import Means, Outcome, postponed
from server.usecases.query_payment import ask, is_final


async def close_payment(order: Order, effect: Effect, means: Means) -> Outcome:
    """
    Ask, close, ask again: a payment may slip in between any two of these, and only WeChat's last word counts.

    The attempt is closed for us once WeChat has closed it and still does not call it paid.
    """
    payment = find_attempt(order, effect.about)
    if not payment.is_open:
        return (EffectFinished(effect.key),)
    not_before_ms = payment.created_at_ms + CLOSE_NOT_BEFORE_S * 1000
    if means.clock.now_ms() < not_before_ms:
        return (EffectPostponed(key=effect.key, due_at_ms=not_before_ms, reason="young"),)
    before = await ask(payment, means)
    if before is not None and is_final(before):
        return (before,)
    try:
        await means.gateway.close(payment)
    except WeChatRefused as refused:
        if refused.code not in ("ORDERPAID", "TRADE_STATE_ERROR"):
            raise
        after = await ask(payment, means)
        return (after,) if after is not None and is_final(after) else (postponed(effect, refused.code, means),)
    after = await ask(payment, means)
    return (after if isinstance(after, PaymentConfirmed) else PaymentUnpaid(effect.about, TradeState.CLOSED),)
