"""Days in Beijing."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from server.domain.bill import BillDay
from tests.wechat.wechat_wire import BEIJING_MS

THE_DAY = BillDay(date(2026, 11, 21))


def test_a_day_begins_and_ends_at_midnight_in_beijing() -> None:
    assert (THE_DAY.start_ms, THE_DAY.end_ms) == (1_795_190_400_000, 1_795_276_800_000)
    assert str(THE_DAY) == "2026-11-21"
    assert THE_DAY.holds(BEIJING_MS)


def test_its_bill_may_be_fetched_from_ten_the_next_morning() -> None:
    assert THE_DAY.bill_from_ms - THE_DAY.end_ms == 10 * 3_600_000


@given(st.integers(0, 4 * 10**12))
def test_every_moment_belongs_to_exactly_one_day(time_ms: int) -> None:
    day = BillDay.of(time_ms)

    assert day.holds(time_ms)
    assert not day.earlier(1).holds(time_ms)
    assert day.earlier(1).end_ms == day.start_ms
