"""When WeChat is asked after an attempt sooner than the ladder says: somebody waits for the answer."""

from typing import Final

from msgspec.structs import replace

from server.domain.document import Order, Payment
from server.domain.effects import Effect, EffectKind, last_asked_at_ms
from server.domain.events import OrderWatched

# However often a page is opened, WeChat is asked after one attempt no more than once in this time,
ASK_AGAIN_AFTER_MS: Final = 10_000
# and after no more than the newest few attempts of an order.
MOST_ATTEMPTS: Final = 8


def ask_soon(order: Order, event: OrderWatched, now_ms: int) -> Order:
    """Make the questions due now that this person waits for: all of the initiator's order, a payer's own attempts."""
    open_ones = [p for p in order.payments if p.is_open and _concerns(event.openid, p, order)][-MOST_ATTEMPTS:]
    keys = {f"{EffectKind.QUERY}:{payment.out_trade_no}" for payment in open_ones}
    effects = tuple(_sooner(effect, now_ms) if effect.key in keys else effect for effect in order.effects)
    return order if effects == order.effects else replace(order, effects=effects)


def _concerns(openid: str, payment: Payment, order: Order) -> bool:
    return openid in (order.initiator.openid, payment.payer.openid)


def _sooner(question: Effect, now_ms: int) -> Effect:
    """Begin the ladder anew with a question now, unless one was asked, or the attempt was made, a moment ago."""
    was_just_asked = now_ms - last_asked_at_ms(question) < ASK_AGAIN_AFTER_MS
    if question.parked or question.due_at_ms <= now_ms or was_just_asked:
        return question
    return replace(question, tries=0, due_at_ms=now_ms)
