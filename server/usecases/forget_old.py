"""What is kept for a while only is forgotten in the end: notifies, webhooks, and the keys of repeated requests."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from server.errors import StoreUnavailable
from server.ports import Clock, Deliveries, Journal, Store

EVERY_MS: Final = 3_600_000
KEEP_KEYS_MS: Final = 7 * 86_400_000
PAGE: Final = 500  # goes at once: what serves people does not wait long for it

_log = structlog.get_logger(__name__)


async def forget_old(
    store: Store,
    journal: Journal,
    deliveries: Deliveries,
    clock: Clock,
    *,
    keep_notifies_ms: int,
    keep_webhooks_ms: int,
) -> None:
    """
    Forget what is older than it has to be. Whatever is left, if the store does not answer, is forgotten the next time.

    No order is touched: what a payment or refund is known by stays in its order for ever, so a notify that comes again
    after its row is gone still changes nothing.
    """
    now_ms = clock.now_ms()
    try:
        await _all(lambda: journal.forget(before_ms=now_ms - keep_notifies_ms, limit=PAGE))
        await _all(lambda: deliveries.forget(before_ms=now_ms - keep_webhooks_ms, limit=PAGE))
        await _all(lambda: store.forget_keys(before_ms=now_ms - KEEP_KEYS_MS, limit=PAGE))
    except StoreUnavailable as error:
        _log.warning("old_not_forgotten", reason=error.reason)


async def _all(forget_some: Callable[[], Awaitable[int]]) -> None:
    while await forget_some() == PAGE:
        pass
