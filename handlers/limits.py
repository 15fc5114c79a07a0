"""
How often somebody may ask for what costs WeChat a call or the store a write.

Counted over all processes in the cache; where the cache cannot tell, each process counts for itself. Notifies are never
limited: who sends many bad ones must not keep a good one out.
"""

import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal

from handlers.problems import ApiError
from server.cache.local import LocalCache
from server.ports import Cache
from settings import Settings

WINDOW_S: Final = 60

Kind = Literal["orders", "payments", "guest_payments", "logins", "merchant"]


class Limits:
    """So many a minute; a setting of 0 is no limit."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        self._cache = cache
        self._own = LocalCache(time.monotonic)  # bounded: strangers choose the keys
        self._per_min: Mapping[Kind, int] = {
            "orders": settings.rate_orders_per_min,
            "payments": settings.rate_payments_per_min,
            "guest_payments": settings.rate_guest_payments_per_min,
            "logins": settings.rate_logins_per_min,
            "merchant": settings.rate_merchant_per_min,
        }

    async def check(self, kind: Kind, who: str) -> None:
        """
        Count one more of this kind for this person, address or key.

        Raises:
            ApiError: 429, that was too many within a minute.
        """
        most = self._per_min[kind]
        if not most:
            return
        # A digest: openids stay out of the cache's keys, and any text makes a key.
        key = f"rate_{kind}:{blake2b(who.encode(), digest_size=12).hexdigest()}"
        times = await self._cache.count(key, ttl_s=WINDOW_S) or await self._own.count(key, ttl_s=WINDOW_S)
        if times > most:
            raise ApiError(429, "too_many_requests", limit=most, retry_after_s=WINDOW_S)
