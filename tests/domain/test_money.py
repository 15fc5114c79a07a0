import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.money import Fen, split_equally


@pytest.mark.parametrize(
    ("amount", "shares", "expected"),
    [
        (100, 1, (100,)),
        (100, 2, (50, 50)),
        (100, 3, (34, 33, 33)),
        (101, 3, (34, 34, 33)),
        (3, 3, (1, 1, 1)),
    ],
)
def test_what_does_not_divide_goes_fen_by_fen_to_the_first_shares(
    amount: int, shares: int, expected: tuple[int, ...]
) -> None:
    assert split_equally(Fen(amount), shares) == expected


@settings(deadline=None)
@given(amount=st.integers(min_value=1, max_value=10**12), shares=st.integers(min_value=1, max_value=200))
def test_equal_shares_add_up_and_differ_by_a_fen_at_most(amount: int, shares: int) -> None:
    split = split_equally(Fen(amount), shares)

    assert len(split) == shares
    assert sum(split) == amount
    assert max(split) - min(split) <= 1
    assert list(split) == sorted(split, reverse=True)
