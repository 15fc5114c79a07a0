"""A bus that wakes the relay."""

import asyncio

from server.bus.hub import Hub
from server.bus.local import LocalBus
from server.bus.ringing import RingingBus
from tests.builders import EXPIRES_AT_MS, NOW_MS, after, an_order, paid, started


class At:
    """Fills ports.Clock with one moment."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms


def a_bus(now_ms: int) -> tuple[RingingBus, asyncio.Event]:
    bell = asyncio.Event()
    return RingingBus(LocalBus(Hub(clock=At(now_ms), monotonic_s=lambda: 0.0)), bell, At(now_ms)), bell


async def test_it_rings_for_an_order_with_something_to_do() -> None:
    bus, bell = a_bus(NOW_MS)

    await bus.publish(after(an_order(), started(), paid()))

    assert bell.is_set()


async def test_it_is_silent_for_an_order_that_waits_for_later() -> None:
    bus, bell = a_bus(EXPIRES_AT_MS - 1)

    await bus.publish(an_order())

    assert not bell.is_set()
