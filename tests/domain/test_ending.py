import pytest

from server.domain.ending import Ending, alarm_due

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("days_left", "due"),
    [(400, None), (30.01, None), (30, 30), (7.01, 30), (7, 7), (1.5, 7), (1, 1), (0.2, 1), (0, 0), (-9, 0)],
)
def test_a_person_hears_of_an_end_thirty_days_a_week_and_a_day_before_and_at_the_end(
    days_left: float, due: int | None
) -> None:
    ending = Ending("merchant", "A1", ends_at_ms=500 * DAY_MS)

    assert alarm_due(ending.days_left(now_ms=int((500 - days_left) * DAY_MS))) == due
