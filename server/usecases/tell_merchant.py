"""An event of an order becomes deliveries, one for each endpoint of the merchant; sending them is `outbox.py`'s."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import json

from server.domain.delivery import Delivery, delivery_id_of
from server.domain.document import Order
from server.domain.effects import Effect, EffectKind
from server.domain.events import EffectFinished
from server.domain.merchant_events import PAYMENT_PAID, event_id_of, event_of
from server.domain.merchant_order import merchant_order
from server.usecases.effect_means import Means, Outcome


async def tell_merchant(order: Order, effect: Effect, means: Means) -> Outcome:
    """
    Keep this event's deliveries, and before it those of every earlier event that waits: effects run side by side.

    What was kept before stays as it is, so that the same event always says the same.
    """
    if order.tells_merchant:
        earlier = [e for e in order.effects if e.kind is EffectKind.WEBHOOK and e.number <= effect.number]
        now_ms = means.clock.now_ms()
        await means.outbox.put(
            [
                delivery
                for each in sorted(earlier, key=lambda e: e.number)
                for delivery in deliveries_of(order, each, means.outbox.endpoints, means.origin, now_ms=now_ms)
            ]
        )
    return (EffectFinished(effect.key),)


def deliveries_of(
    order: Order, effect: Effect, endpoints: Sequence[str], origin: str, *, now_ms: int
) -> list[Delivery]:
    """Return what is to be sent of this event; it shows the order as it is now, and `rev` says which state that is."""
    event, about = event_of(effect)
    event_id = event_id_of(order, effect)
    body = json.encode(event_body(order, event, about, origin, now_ms=now_ms)).decode()
    return [
        Delivery(
            delivery_id=delivery_id_of(event_id, endpoint),
            event_id=event_id,
            event=event,
            endpoint=endpoint,
            order_id=order.order_id,
            body=body,
            created_at_ms=now_ms,
            due_at_ms=now_ms,
        )
        for endpoint in endpoints
    ]


def event_body(order: Order, event: str, about: str, origin: str, *, now_ms: int) -> dict[str, Any]:
    """Return the event as Standard Webhooks shapes it: `type`, `timestamp` (ISO 8601, UTC) and `data`."""
    number = {("out_trade_no" if event == PAYMENT_PAID else "out_refund_no"): about} if about else {}
    return {
        "type": event,
        "timestamp": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "data": {**number, "order": merchant_order(order, origin)},
    }
