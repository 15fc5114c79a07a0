"""Days are Beijing's."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.days import DAY_MS, day_after, day_of, day_start_ms, days_from


def test_midnight_in_beijing_is_four_in_the_afternoon_in_london() -> None:
    assert day_of(1_767_196_799_999) == "2025-12-31"  # 2025-12-31T15:59:59.999Z
    assert day_of(1_767_196_800_000) == "2026-01-01"
    assert day_start_ms("2026-01-01") == 1_767_196_800_000


def test_days_go_on_over_the_ends_of_months() -> None:
    assert days_from("2028-02-28", "2028-03-01") == ["2028-02-28", "2028-02-29", "2028-03-01"]
    assert days_from("2026-01-02", "2026-01-01") == []


@given(st.integers(0, 4_000_000_000_000))
def test_every_moment_lies_within_its_day(time_ms: int) -> None:
    day = day_of(time_ms)

    assert day_start_ms(day) <= time_ms < day_start_ms(day) + DAY_MS == day_start_ms(day_after(day))
