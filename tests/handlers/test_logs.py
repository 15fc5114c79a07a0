"""Log lines: what a stranger sends stays on its line, what nobody may know is in none, and a flood is a few."""

import io
import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog

from handlers.logs import MAX_LOGGED, SAME_A_MINUTE, Cleaner, Sampler, configure_logs, one_line
from settings import load_settings
from tests.people import Person

API_KEY = "k3yThatNobodyMaySeeInAnyLogLine01"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


@pytest.mark.parametrize("bad", ["\n", "\r", "\x1b[2J", "\u2028", "\u202e", "\x00", "\x85"])
def test_what_does_not_print_is_escaped(bad: str) -> None:
    written = one_line(None, "warning", {"event": "refused", "reason": f"no order abc{bad}2026 [info] paid"})

    assert written["reason"].isprintable()
    assert written["reason"].startswith("no order abc\\")


def test_what_is_too_long_is_cut_and_the_rest_is_left_alone() -> None:
    written = one_line(None, "info", {"event": "小明 paid", "body": "x" * 10_000, "amount": 1800})

    assert written == {"event": "小明 paid", "body": "x" * MAX_LOGGED, "amount": 1800}


def test_secrets_and_openids_are_taken_out_and_ids_are_left() -> None:
    cleaner = Cleaner([API_KEY, "short", ""])
    ids = "order_id=01K75X8QZ3M4N5P6R7S8T9V0WA transaction=4200001234202611210000000001 event=order_left_to_its_lease"

    assert cleaner.clean(f"key={API_KEY}&short") == "key=***&***"
    assert cleaner.clean(f'"openid":"{OPENID}"') == '"openid":"oUpF…"'
    assert cleaner.clean(ids) == ids


def test_without_secrets_nothing_is_taken_out() -> None:
    assert Cleaner([]).clean("all of it") == "all of it"


def test_the_secrets_of_the_settings_are_all_known() -> None:
    settings = load_settings(
        _env_file=None,
        mongodb_url="mongodb://daifu:p4ss@db/daifu",
        redis_url="redis://:s3cret@cache",
        session_secrets="a" * 32 + "," + "b" * 32,
    )

    assert {"p4ss", "s3cret", "a" * 32, "b" * 32, "redis://:s3cret@cache"} <= set(settings.secret_values)


def test_a_flood_of_one_warning_is_a_few_lines_and_a_number() -> None:
    now_s = 60.0
    sampler = Sampler(lambda: now_s)

    def written(event: str, method: str = "warning") -> list[dict[str, object]]:
        try:
            return [dict(sampler(None, method, {"event": event, "verdict": "BadSignature"}))]
        except structlog.DropEvent:
            return []

    assert sum(len(written("notify_refused")) for _ in range(1000)) == SAME_A_MINUTE
    assert written("another")
    assert len(written("notify_refused", "critical")) == 1
    now_s += 60
    assert written("notify_refused")[0]["not_written"] == 1000 - SAME_A_MINUTE
    assert "not_written" not in written("notify_refused")[0]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the process would write to standard error, as JSON."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    noisy = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "asyncio", "tornado.access")}
    configure_logs("json", secrets=[API_KEY])
    written = io.StringIO()
    root.handlers[0].setStream(written)  # type: ignore[attr-defined]
    yield written
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)
    for name, before in noisy.items():
        logging.getLogger(name).setLevel(before)


def test_a_traceback_and_a_library_are_cleaned_too(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"no user {OPENID} with {API_KEY}")
    except ValueError:
        structlog.get_logger().exception("bug")
    logging.getLogger("some.library").warning("connecting with %s", API_KEY)

    text = lines.getvalue()
    assert "Traceback" in text
    assert "connecting with ***" in text
    assert OPENID not in text
    assert API_KEY not in text
    assert len(text.splitlines()) == 2


async def test_a_line_says_which_request_and_which_order(initiator: Person, lines: io.StringIO) -> None:
    order_id = "01K75X8QZ3M4N5P6R7S8T9V0WA"
    answer: httpx.Response = await initiator.http.post(f"/api/orders/{order_id}/close", json={})

    assert answer.status_code == 404
    assert f'"request_id": "{answer.headers["X-Request-Id"]}"' in lines.getvalue()
    assert f'"order_id": "{order_id}"' in lines.getvalue()
