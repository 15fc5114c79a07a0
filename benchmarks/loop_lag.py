"""What a server says on /metrics of how late its event loop wakes up."""

import math
from collections.abc import Iterator, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

NAME = "daifu_loop_lag_seconds"

Buckets = Mapping[float, float]
"""How often it was at most so many seconds late, since it started."""


async def loop_lag(url: str) -> Buckets:
    """Ask the server."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return dict(_buckets((await http.get(f"{url}/metrics")).raise_for_status().text))


def at_most_s(before: Buckets, after: Buckets, share: float) -> float:
    """
    Return the bound that this share of what was counted in between stayed within: a bucket's, so it may be less.

    Raises:
        ValueError: Nothing was counted.
    """
    counted = {bound: count - before.get(bound, 0.0) for bound, count in sorted(after.items())}
    whole = counted.get(math.inf, 0.0)
    if whole <= 0:
        raise ValueError("nothing was counted")
    return next(bound for bound, count in counted.items() if count >= share * whole)


def _buckets(text: str) -> Iterator[tuple[float, float]]:
    families = (family for family in text_string_to_metric_families(text) if family.name == NAME)
    for family in families:
        for sample in family.samples:
            if sample.name == f"{NAME}_bucket":
                yield float(sample.labels["le"]), sample.value
