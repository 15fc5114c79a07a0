"""Certificates near their end: one process alarms, once for each of the days it is told to."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.cache.local import LocalCache
from server.domain.ending import Ending
from server.usecases.watch_certificates import CertificateWatch

DAY_MS = 86_400_000


class HandClock:
    at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


@pytest.fixture
def written() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


async def test_of_two_processes_one_alarms_once_for_each_of_the_days(written: list[Any]) -> None:
    clock, cache = HandClock(), LocalCache(time.monotonic)
    ours = Ending("merchant", "A1", clock.now_ms() + 40 * DAY_MS)
    processes = [CertificateWatch(lambda: (ours, None), cache=cache, clock=clock) for _ in range(2)]
    alarms = []
    for _ in range(42):
        clock.at_ms += DAY_MS
        for process in processes:
            await process.look()
        assert processes[0].days_left() == {"merchant": 40 - clock.at_ms / DAY_MS}
        alarms += [line["days_left"] for line in written if line["log_level"] == "critical"]
        written.clear()

    assert alarms == [30, 7, 1, 0]


async def test_a_new_certificate_is_watched_from_the_beginning(written: list[Any]) -> None:
    clock = HandClock()
    ending = [Ending("platform", "A1", clock.now_ms() + 5 * DAY_MS)]
    watch = CertificateWatch(lambda: ending, cache=LocalCache(time.monotonic), clock=clock)
    await watch.look()
    ending[0] = Ending("platform", "B2", clock.now_ms() + 6 * DAY_MS)
    await watch.look()

    assert [(line["event"], line["serial_no"]) for line in written] == [
        ("certificate_ends", "A1"),
        ("certificate_ends", "B2"),
    ]
