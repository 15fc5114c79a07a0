"""What a budget row says of its slices."""

import pytest

from benchmarks.ratios import Asked, AtLeast, AtMost, Outcome, median_ratio


def test_neighbouring_slices_are_compared_before_anything_is_summed_up() -> None:
    # The machine was ten times as slow during the second and third slices; in the third it hit the other one only.
    mine, theirs = [200.0, 20.0, 60.0], [100.0, 10.0, 10.0]

    assert median_ratio(mine, theirs) == 2.0  # and not that of the medians, 6


def test_one_lucky_slice_does_not_make_a_ratio() -> None:
    assert median_ratio([100.0, 100.0, 9000.0], [100.0, 100.0, 100.0]) == 1.0


@pytest.mark.parametrize(("mine", "theirs"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, 0.0], [1.0, 1.0])])
def test_slices_that_do_not_match_or_measured_nothing_are_refused(mine: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match="slice"):
        median_ratio(mine, theirs)


@pytest.mark.parametrize(
    ("bound", "reached", "verdict"),
    [
        (AtLeast(1.5), 1.5, "held"),
        (AtLeast(1.5), 1.49, "NOT held"),
        (AtMost(1.0), 1.0, "held"),
        (AtMost(1.0), 1.01, "NOT held"),
        (None, 0.1, ""),
        (AtLeast(1.5), None, "not measured"),
    ],
)
def test_a_row_is_held_or_not(bound: AtLeast | AtMost | None, reached: float | None, verdict: str) -> None:
    outcome = Outcome(Asked("load", "peer", bound), reached)

    assert outcome.verdict == verdict
    assert outcome.is_missed == (verdict in ("NOT held", "not measured"))
