"""
One event on its way to one endpoint of the merchant, and the log of how it went.

A delivery that fails is tried again for a good day and then parked: somebody has to look, and can send it again. Its
body is written once, so that whoever gets it twice gets the same bytes under the same id.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

# Gaps between one try and the next: 27.8 hours in all, give or take a tenth.
RETRY_GAPS_S: Final = (5, 30, 120, 600, 1800, 3600, 7200, *(14_400,) * 6)
JITTER: Final = 0.1


class DeliveryState(StrEnum):
    WAITING = "WAITING"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    PARKED = "PARKED"


class Delivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    `delivery_id` begins with the event's id, so an order's deliveries to one endpoint sort as its events happened.

    `due_at_ms` is when to send it, or the end of a lease on it; None once nobody is to. `reason` is why it failed last.
    """

    delivery_id: str
    event_id: str
    event: str
    endpoint: str
    order_id: str
    body: str
    created_at_ms: int
    due_at_ms: int | None
    rev: int = 1
    state: DeliveryState = DeliveryState.WAITING
    tries: int = 0
    reason: str = ""
    delivered_at_ms: int | None = None


def delivery_id_of(event_id: str, endpoint: str) -> str:
    return f"{event_id}@{endpoint}"


def leased(delivery: Delivery, until_ms: int) -> Delivery:
    """Return it as it is while somebody sends it; others leave it alone until then."""
    return replace(delivery, rev=delivery.rev + 1, state=DeliveryState.SENDING, due_at_ms=until_ms)


def behind(delivery: Delivery, earlier: Delivery) -> Delivery:
    """Return it as due right after an earlier event of its order, which waits for its next try."""
    return replace(delivery, rev=delivery.rev + 1, due_at_ms=(earlier.due_at_ms or 0) + 1)


def delivered(delivery: Delivery, now_ms: int) -> Delivery:
    return replace(
        delivery,
        rev=delivery.rev + 1,
        state=DeliveryState.DELIVERED,
        tries=delivery.tries + 1,
        due_at_ms=None,
        reason="",
        delivered_at_ms=now_ms,
    )


def failed(delivery: Delivery, reason: str, now_ms: int, *, jitter: float) -> Delivery:
    """
    Return it after a try that failed: due again after the next gap, or parked after the last one.

    Args:
        jitter: A random number from 0 to 1, so that what failed together does not come again together.
    """
    tries = delivery.tries + 1
    tried = replace(delivery, rev=delivery.rev + 1, state=DeliveryState.WAITING, tries=tries, reason=reason)
    if tries > len(RETRY_GAPS_S):
        return replace(tried, state=DeliveryState.PARKED, due_at_ms=None)
    gap_ms = RETRY_GAPS_S[tries - 1] * 1000
    return replace(tried, due_at_ms=now_ms + int(gap_ms * (1 + JITTER * (2 * jitter - 1))))


def sent_again(delivery: Delivery, now_ms: int) -> Delivery:
    """Return it as new, whatever became of it before: a person wants it sent."""
    return replace(delivery, rev=delivery.rev + 1, state=DeliveryState.WAITING, tries=0, due_at_ms=now_ms)
