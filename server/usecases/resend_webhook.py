"""A person wants an event sent again, whatever became of it, or everything an endpoint missed."""

from typing import Final

from server.domain.delivery import Delivery, DeliveryState, sent_again
from server.errors import DeliveryNotFound
from server.ports import Clock, Deliveries

AT_ONCE: Final = 100


async def resend_webhook(delivery_id: str, *, deliveries: Deliveries, clock: Clock) -> Delivery:
    """
    Make the delivery due now, under its own id and with the same body; return it.

    Raises:
        DeliveryNotFound: There is none, or the log has forgotten it.
    """
    while True:
        before = await deliveries.get(delivery_id)
        if before is None:
            raise DeliveryNotFound(delivery_id)
        after = sent_again(before, clock.now_ms())
        if await deliveries.replace(after, was_rev=before.rev):
            return after


async def resend_parked(endpoint: str, *, deliveries: Deliveries, clock: Clock) -> int:
    """Make everything that is parked for this endpoint due now; return how many deliveries that were."""
    count = 0
    while parked := await deliveries.of_endpoint(endpoint, DeliveryState.PARKED, limit=AT_ONCE):
        for delivery in parked:
            # Lost to somebody faster: then it is parked no more.
            count += await deliveries.replace(sent_again(delivery, clock.now_ms()), was_rev=delivery.rev)
    return count
