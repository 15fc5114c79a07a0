"""What a stranger sends cannot write a log line of its own."""

import pytest

from handlers.process import MAX_LOGGED, one_line


@pytest.mark.parametrize("bad", ["\n", "\r", "\x1b[2J", "\u2028", "\u202e", "\x00", "\x85"])
def test_what_does_not_print_is_escaped(bad: str) -> None:
    written = one_line(None, "warning", {"event": "refused", "reason": f"no order abc{bad}2026 [info] paid"})

    assert written["reason"].isprintable()
    assert written["reason"].startswith("no order abc\\")


def test_what_is_too_long_is_cut_and_the_rest_is_left_alone() -> None:
    written = one_line(None, "info", {"event": "小明 paid", "body": "x" * 10_000, "amount": 1800})

    assert written == {"event": "小明 paid", "body": "x" * MAX_LOGGED, "amount": 1800}
