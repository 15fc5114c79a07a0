"""Webhooks as the operator sees them: what an endpoint has still to hear, and how each delivery went, no bodies."""

from collections.abc import Sequence

from msgspec import Struct

from server.domain.delivery import Delivery, DeliveryState


class OperatorDelivery(Struct, frozen=True, kw_only=True):
    """Times in Unix milliseconds; `reason` is why it failed last."""

    delivery_id: str
    event: str
    endpoint: str
    order_id: str
    state: DeliveryState
    tries: int
    reason: str
    created_at_ms: int
    due_at_ms: int | None
    delivered_at_ms: int | None


class OperatorEndpoint(Struct, frozen=True, kw_only=True):
    """
    The queue of one endpoint.

    `waiting` counts what is to be sent, `parked` what nobody sends any more; both end at the survey's limit. `next` is
    the first that will be sent, `missed` the newest of the parked ones.
    """

    endpoint: str
    waiting: int
    parked: int
    next: OperatorDelivery | None
    missed: Sequence[OperatorDelivery]


def operator_delivery(delivery: Delivery) -> OperatorDelivery:
    return OperatorDelivery(
        delivery_id=delivery.delivery_id,
        event=delivery.event,
        endpoint=delivery.endpoint,
        order_id=delivery.order_id,
        state=delivery.state,
        tries=delivery.tries,
        reason=delivery.reason,
        created_at_ms=delivery.created_at_ms,
        due_at_ms=delivery.due_at_ms,
        delivered_at_ms=delivery.delivered_at_ms,
    )
