"""Somebody opens a page: what WeChat is asked because of it, and what not."""

import pytest

from server.domain.document import Order
from server.domain.effects import EffectKind
from server.domain.events import EffectParked, EffectPostponed, OrderWatched
from server.domain.questions import ASK_AGAIN_AFTER_MS, MOST_ATTEMPTS
from tests.builders import NOW_MS, a_person, after, an_order, attempt_no, paid, started, unpaid

QUESTION = f"{EffectKind.QUERY}:{attempt_no()}"
ASKED_AT_MS = NOW_MS + 110_000  # for the fourth time; the fifth comes three minutes later
BY_INITIATOR = OrderWatched(an_order().initiator.openid)


def an_unanswered_order() -> Order:
    """Return an order whose one attempt (小明's) was asked after four times, the last time at `ASKED_AT_MS`."""
    order = after(an_order(), started())
    for due_at_ms in (NOW_MS + 20_000, NOW_MS + 50_000, ASKED_AT_MS, ASKED_AT_MS + 180_000):
        order = after(order, EffectPostponed(key=QUESTION, due_at_ms=due_at_ms, reason="NOTPAY"))
    return order


def due_at_ms(order: Order) -> list[int]:
    return [effect.due_at_ms for effect in order.effects if effect.kind is EffectKind.QUERY]


@pytest.mark.parametrize("openid", [a_person().openid, an_order().initiator.openid], ids=["the payer", "the initiator"])
def test_who_waits_for_an_old_attempt_has_wechat_asked_now_and_the_ladder_begin_anew(openid: str) -> None:
    now_ms = ASKED_AT_MS + ASK_AGAIN_AFTER_MS

    order = after(an_unanswered_order(), OrderWatched(openid), now_ms=now_ms)

    assert due_at_ms(order) == [now_ms]
    assert [effect.tries for effect in order.effects if effect.key == QUESTION] == [0]


def test_a_friend_without_an_attempt_has_nothing_asked() -> None:
    order = an_unanswered_order()

    assert after(order, OrderWatched(a_person("小红").openid), now_ms=ASKED_AT_MS + 60_000) is order


def test_nothing_is_asked_again_within_ten_seconds() -> None:
    order = an_unanswered_order()

    assert after(order, BY_INITIATOR, now_ms=ASKED_AT_MS + ASK_AGAIN_AFTER_MS - 1) is order


def test_an_attempt_made_a_moment_ago_is_left_to_the_ladder() -> None:
    order = after(an_order(), started())

    assert after(order, BY_INITIATOR, now_ms=NOW_MS + 4_999) is order


def test_what_is_due_parked_paid_or_closed_is_left_alone() -> None:
    late_ms = ASKED_AT_MS + 60_000
    order = an_unanswered_order()
    parked, settled, closed = (after(order, event) for event in (EffectParked(QUESTION, "x"), paid(), unpaid()))

    for order in (parked, settled, closed, after(an_order(), started())):
        assert after(order, BY_INITIATOR, now_ms=late_ms) is order


def test_of_many_attempts_only_the_newest_few_are_asked_after() -> None:
    order = an_order()
    for number in range(1, MOST_ATTEMPTS + 4):
        order = after(order, started(f"friend {number}", lease_ms=0))
        key = f"{EffectKind.QUERY}:{attempt_no(number)}"
        order = after(order, EffectPostponed(key=key, due_at_ms=NOW_MS + 20_000, reason="NOTPAY"))

    order = after(order, BY_INITIATOR, now_ms=NOW_MS + 19_000)

    asked = [effect.about for effect in order.effects if effect.due_at_ms == NOW_MS + 19_000]
    assert asked == [attempt_no(number) for number in range(4, MOST_ATTEMPTS + 4)]
