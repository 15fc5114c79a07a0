"""A person wants an event sent again, whatever became of it."""

from server.domain.delivery import Delivery, sent_again
from server.errors import DeliveryNotFound
from server.ports import Clock, Deliveries


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
