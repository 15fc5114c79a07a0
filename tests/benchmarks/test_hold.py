"""What a long hold complains of."""

import math

import pytest

from benchmarks.attack import Attack, Kind, Staller
from benchmarks.hold import Held
from benchmarks.load import Sent
from benchmarks.loop_lag import at_most_s


def held(*memory_bytes: int) -> Held:
    return Held(sent=[Sent(None, 0.0, answered_s=0.01)], memory_bytes=list(memory_bytes))


def test_memory_that_fills_up_at_first_is_no_leak() -> None:
    assert held(100, 150, 150, 151, 150, 152, 150, 150, 151, 152).complaints() == []


def test_memory_that_goes_on_growing_is_one() -> None:
    assert held(100, 100, 101, 102, 103, 104, 105, 106, 107, 108).complaints() == ["memory grew 1.07 times"]


def test_a_failed_notify_and_a_wrong_page_are_told() -> None:
    seen = held(100)
    seen.sent.append(Sent(None, 0.0, failure="refused"))
    seen.wrong_pages = 2

    assert seen.complaints() == ["notifies failed", "2 pages did not end on what is stored"]


def test_a_client_that_was_kept_too_long_or_for_ever_survived() -> None:
    kind = Kind("slow headers", b"", b"a", limit_s=10)
    attack = Attack([Staller(kind, 9.0), Staller(kind, 14.9), Staller(kind, 15.1), Staller(kind, None)])

    assert attack.survivors == 2


def test_loop_lag_is_that_of_the_time_in_between() -> None:
    before = {0.001: 0.0, 0.01: 0.0, math.inf: 50.0}
    after = {0.001: 98.0, 0.01: 99.0, math.inf: 150.0}

    assert at_most_s(before, after, 0.98) == 0.001
    assert at_most_s(before, after, 0.99) == 0.01
    assert at_most_s(before, after, 1.0) == math.inf
    with pytest.raises(ValueError, match="nothing"):
        at_most_s(after, after, 0.99)
