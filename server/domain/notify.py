"""What WeChat posted to us, kept as it came, and what we made of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct
from ulid import ULID


class NotifyRoute(StrEnum):
    """Which address it was posted to, and so how it is read."""

    PAY = "pay"
    REFUND = "refund"
    V3 = "v3"  # payments and refunds of API v3


class Verdict(StrEnum):
    """What we made of a notify."""

    SETTLED = "settled"  # believed, and the order changed by it
    REPEAT = "repeat"  # believed, and the order knew it already
    NOT_PAID = "not_paid"  # reports no payment: nothing to store
    MALFORMED = "malformed"  # not what WeChat sends
    REFUSED = "refused"  # not proven to be WeChat's, or not for this merchant
    CONTRADICTS = "contradicts"  # WeChat's, and yet not what our order says: somebody has to look
    NOT_STORED = "not_stored"  # the store did not answer: WeChat sends it again


# What anybody can send who has no key, or who has seen one genuine notify: API v2 signs nothing that grows old, and one
# that contradicts its order does so every time. So many of each are kept an hour, the rest is counted only. What is not
# here comes once for each change of an order, or while the store is out: all of it is kept.
MOST_PER_HOUR: Final[Mapping[Verdict, int]] = {
    Verdict.MALFORMED: 60,
    Verdict.REFUSED: 60,
    Verdict.NOT_PAID: 60,
    Verdict.REPEAT: 600,
    Verdict.CONTRADICTS: 600,
}

# Of what nobody vouches for, only the beginning is kept; a genuine notify is a kilobyte.
DOUBTFUL: Final = frozenset({Verdict.MALFORMED, Verdict.REFUSED, Verdict.NOT_PAID})
MAX_DOUBTFUL_BYTES: Final = 4096


class Notify(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One notify. `notify_id` comes from `notify_id_at`, so ids sort by arrival; `headers` have names in lower case.

    `reason` is a short code that goes with the verdict. `order_id` is empty where nothing in the notify was believed.
    `body` is what came, `size_bytes` how much came: of what nobody vouches for the end may be missing.
    """

    notify_id: str
    route: NotifyRoute
    received_at_ms: int
    peer: str
    headers: dict[str, str]
    body: bytes
    size_bytes: int
    verdict: Verdict
    reason: str = ""
    order_id: str = ""

    @property
    def is_whole(self) -> bool:
        return len(self.body) == self.size_bytes


def notify_id_at(received_at_ms: int, chance: bytes = bytes(10)) -> str:
    """Return an id for a notify received then: ten bytes of chance make it its own, none the lowest of its moment."""
    return str(ULID.from_bytes(received_at_ms.to_bytes(6, "big") + chance))


class NotifyFilter(Struct, frozen=True, kw_only=True):
    """Which notifies are wanted; None stands for any."""

    since_ms: int | None = None
    verdict: Verdict | None = None
    order_id: str | None = None
