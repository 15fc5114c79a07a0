import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wechat.beijing import from_beijing, to_beijing


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/New_York"])
def local_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def test_beijing_is_eight_hours_ahead_wherever_the_machine_stands(local_zone: None) -> None:
    noon_ms = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()) * 1000

    assert to_beijing(noon_ms) == "20260701200000"
    assert from_beijing("20260701200000") == noon_ms


def test_milliseconds_are_cut_off() -> None:
    assert to_beijing(999) == to_beijing(0) == "19700101080000"


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_a_whole_second_comes_back(time_s: int) -> None:
    assert from_beijing(to_beijing(time_s * 1000)) == time_s * 1000


@pytest.mark.parametrize(
    "text",
    ["", "2026112116241", "202611211624133", "20261321162413", "20260230000000", "20261121240000", "20261121166000",
     "20261121162461", " 2026112116241", "+2026112116241", "２０２６１１２１１６２４１３", "20261121162413\n",
     "00001121162413"],
)  # fmt: skip
def test_no_other_text_is_a_moment(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its type is all that is promised
        from_beijing(text)
