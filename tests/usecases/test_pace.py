"""How often WeChat is asked on our own account."""

import pytest

from server.errors import WeChatUnavailable
from server.usecases.pace import Pace


async def test_a_seconds_worth_goes_at_once_and_who_would_wait_too_long_comes_again_later() -> None:
    now_s = 100.0
    pace = Pace(per_s=1000, monotonic_s=lambda: now_s)
    now_s = 200.0
    for _ in range(1001):
        await pace.turn("orderquery")

    pace = Pace(per_s=0.25, monotonic_s=lambda: now_s)
    await pace.turn("orderquery")
    with pytest.raises(WeChatUnavailable) as refused:
        await pace.turn("orderquery")
    assert refused.value.reason == "paced"

    now_s += 4
    await pace.turn("orderquery")
