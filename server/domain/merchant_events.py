"""
What the merchant's server hears of an order: a few past-tense events, numbered in the order in which they happened.

Each is an effect of the change that caused it. Its number fixes the event's id, so that whoever tells it again, tells
it under the same id.
"""

from msgspec.structs import replace

from server.domain.document import Order
from server.domain.effects import Effect, EffectKind, with_effect

PAYMENT_PAID = "payment.paid"  # about an `out_trade_no`: a share was paid
ORDER_PAID = "order.paid"  # all of them were
ORDER_CLOSED = "order.closed"  # nobody can pay it any more; what was paid goes back
ORDER_REFUNDED = "order.refunded"  # everything that was kept has gone back
REFUND_SUCCESS = "refund.success"  # about an `out_refund_no`: it has arrived
REFUND_ABNORMAL = "refund.abnormal"  # about an `out_refund_no`: WeChat cannot pay it, a person has to see to it
REFUND_SETTLED = "refund.settled"  # about an `out_refund_no`: that person has paid it back outside WeChat

MERCHANT_EVENTS = (
    PAYMENT_PAID,
    ORDER_PAID,
    ORDER_CLOSED,
    ORDER_REFUNDED,
    REFUND_SUCCESS,
    REFUND_ABNORMAL,
    REFUND_SETTLED,
)


def with_merchant_event(order: Order, event: str, now_ms: int, *, about: str = "") -> Order:
    """Let the merchant's server be told of this, if it was to be told of this order at all."""
    if not order.tells_merchant:
        return order
    number = order.merchant_events + 1
    what = f"{event}:{about}" if about else event
    effect = Effect(kind=EffectKind.WEBHOOK, about=what, number=number, due_at_ms=now_ms)
    return replace(order, merchant_events=number, effects=with_effect(order.effects, effect))


def event_id_of(order: Order, effect: Effect) -> str:
    """Return the id of the event this effect tells of; within an order a later event has a greater one."""
    return f"{order.order_id}E{effect.number:05d}"


def event_of(effect: Effect) -> tuple[str, str]:
    """Return the event's name, and the number it is about or nothing."""
    name, _, about = effect.about.partition(":")
    return name, about
