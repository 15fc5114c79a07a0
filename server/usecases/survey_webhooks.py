"""How the merchant's endpoints stand: what they have still to hear, and what they missed."""

from typing import Final

from server.domain.delivery import DeliveryState
from server.domain.operator_webhooks import OperatorEndpoint, operator_delivery
from server.ports import Deliveries

MAX_COUNT: Final = 10_000  # a person needs no exact number beyond it, and the store is spared
MAX_MISSED: Final = 10

_FAR_MS: Final = 2**53
_LEFT: Final = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.PARKED)


async def survey_webhooks(endpoint: str, *, deliveries: Deliveries) -> OperatorEndpoint:
    """Return how this endpoint's queue stands."""
    waiting, sending, parked = [await deliveries.count(endpoint, state, limit=MAX_COUNT) for state in _LEFT]
    first = await deliveries.due(endpoint, _FAR_MS, limit=1)
    missed = await deliveries.of_endpoint(endpoint, DeliveryState.PARKED, limit=MAX_MISSED)
    return OperatorEndpoint(
        endpoint=endpoint,
        waiting=waiting + sending,
        parked=parked,
        next=operator_delivery(first[0]) if first else None,
        missed=[operator_delivery(each) for each in missed],
    )
