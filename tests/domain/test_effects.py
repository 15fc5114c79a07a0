"""The document as its own outbox: keys, due times, and what the relay may do with an effect."""

import pytest
from msgspec.structs import replace

from server.domain.document import Order
from server.domain.effects import (
    QUERY_GAPS_S,
    Effect,
    EffectKind,
    due_at_ms,
    due_effects,
    gap_ms,
    with_effect,
    without,
)
from server.domain.events import EffectFinished, EffectParked, EffectPostponed, EffectResumed
from tests.builders import EXPIRES_AT_MS, MINUTE_MS, NOW_MS, after, an_order, attempt_no, paid, started


def an_effect(
    kind: EffectKind = EffectKind.QUERY, about: str = "a", *, due_ms: int = NOW_MS, parked: bool = False
) -> Effect:
    return Effect(kind=kind, about=about, due_at_ms=due_ms, parked=parked)


def find(order: Order, key: str) -> Effect:
    (effect,) = [effect for effect in order.effects if effect.key == key]
    return effect


class TestKeys:
    def test_a_key_says_kind_and_concern(self) -> None:
        assert an_effect(EffectKind.REFUND, "001R1").key == "refund:001R1"
        assert an_effect(EffectKind.EXPIRE, "").key == "expire"

    def test_an_effect_that_waits_already_is_not_added_again(self) -> None:
        first = an_effect(due_ms=NOW_MS)

        assert with_effect((first,), an_effect(due_ms=NOW_MS + 1)) == (first,)

    def test_effects_about_different_things_stand_side_by_side(self) -> None:
        assert len(with_effect((an_effect(about="a"),), an_effect(about="b"), an_effect(EffectKind.CLOSE))) == 3

    def test_striking_off_what_is_not_there_returns_the_very_same_effects(self) -> None:
        effects = (an_effect(),)

        assert without(effects, "close:a") is effects
        assert without(effects, "query:a") == ()


class TestDue:
    def test_the_earliest_effect_says_when_to_look_again(self) -> None:
        assert due_at_ms((an_effect(due_ms=9), an_effect(due_ms=5), an_effect(due_ms=7))) == 5

    def test_nothing_is_due_when_nothing_waits_or_only_a_person_can_help(self) -> None:
        assert due_at_ms(()) is None
        assert due_at_ms((an_effect(parked=True),)) is None

    def test_an_order_is_due_at_its_next_query_and_else_at_its_end(self) -> None:
        assert an_order().due_at_ms == EXPIRES_AT_MS
        assert after(an_order(), started()).due_at_ms == NOW_MS + 5_000

    def test_what_is_due_comes_with_the_longest_overdue_first_and_without_the_parked(self) -> None:
        effects = (
            an_effect(about="a", due_ms=7),
            an_effect(about="b", due_ms=5),
            an_effect(about="c", due_ms=8),
            an_effect(about="d", due_ms=1, parked=True),
        )

        assert [effect.about for effect in due_effects(effects, 7)] == ["b", "a"]


class TestGaps:
    def test_queries_climb_their_ladder_and_stay_on_its_last_step(self) -> None:
        gaps_s = [gap_ms(replace(an_effect(), tries=tries), jitter=0.5) / 1000 for tries in range(10)]

        assert gaps_s == [15, 30, 60, 180, 300, 600, 1800, 3600, 3600, 3600]
        assert QUERY_GAPS_S[0] == 5

    def test_questions_after_a_refund_have_a_ladder_of_their_own(self) -> None:
        effect = an_effect(EffectKind.QUERY_REFUND)

        gaps_s = [gap_ms(replace(effect, tries=tries), jitter=0.5) / 1000 for tries in range(5)]

        assert gaps_s == [180, 600, 1800, 3600, 3600]

    def test_everything_else_backs_off_with_full_jitter_up_to_an_hour(self) -> None:
        effect = an_effect(EffectKind.REFUND)

        def gap_s(tries: int, jitter: float) -> float:
            return gap_ms(replace(effect, tries=tries), jitter=jitter) / 1000

        assert [gap_s(tries, 1) for tries in (0, 1, 2, 9, 10, 500)] == [6, 11, 21, 2561, 3601, 3601]
        assert [gap_s(tries, 0) for tries in (0, 9, 500)] == [1, 1, 1]


class TestRelay:
    key = f"reward:{attempt_no(1)}"

    def a_paid_order(self) -> Order:
        return after(an_order(), started(), paid())

    def test_an_effect_that_ran_is_struck_off_and_the_others_stay(self) -> None:
        order = self.a_paid_order()

        done = after(order, EffectFinished(self.key))

        assert {e.key for e in order.effects} - {e.key for e in done.effects} == {self.key}

    def test_an_effect_struck_off_twice_changes_nothing(self) -> None:
        order = after(self.a_paid_order(), EffectFinished(self.key))

        assert after(order, EffectFinished(self.key)) is order

    def test_a_repeated_cause_does_not_bring_a_finished_effect_back(self) -> None:
        order = after(self.a_paid_order(), EffectFinished(self.key))

        assert after(order, paid()) is order

    def test_a_postponed_effect_counts_its_tries_and_says_why(self) -> None:
        order = self.a_paid_order()
        for tries in (1, 2):
            due_ms = NOW_MS + tries * MINUTE_MS
            order = after(order, EffectPostponed(key=self.key, due_at_ms=due_ms, reason="timeout"))

            effect = find(order, self.key)
            assert (effect.tries, effect.due_at_ms, effect.reason) == (tries, due_ms, "timeout")

    def test_a_parked_effect_stays_and_is_no_longer_due(self) -> None:
        order = self.a_paid_order()
        for effect in order.effects:
            order = after(order, EffectParked(effect.key, "NOTENOUGH"))

        assert order.due_at_ms is None
        assert (find(order, self.key).parked, find(order, self.key).reason) == (True, "NOTENOUGH")

    def test_parking_twice_changes_nothing(self) -> None:
        order = after(self.a_paid_order(), EffectParked(self.key, "NOTENOUGH"))

        assert after(order, EffectParked(self.key, "NOTENOUGH")) is order

    def test_a_resumed_effect_is_due_at_once_and_begins_anew(self) -> None:
        postponed = EffectPostponed(key=self.key, due_at_ms=NOW_MS + MINUTE_MS, reason="timeout")
        order = after(self.a_paid_order(), postponed, EffectParked(self.key, "NOTENOUGH"))

        order = after(order, EffectResumed(self.key), now_ms=NOW_MS + 5)

        effect = find(order, self.key)
        assert (effect.parked, effect.tries, effect.due_at_ms) == (False, 0, NOW_MS + 5)

    def test_an_effect_that_waits_for_later_can_be_brought_forward(self) -> None:
        order = after(an_order(), started(), EffectResumed(f"query:{attempt_no(1)}"))

        assert order.due_at_ms == NOW_MS

    def test_resuming_what_is_due_anyway_changes_nothing(self) -> None:
        order = self.a_paid_order()

        assert after(order, EffectResumed(self.key)) is order

    @pytest.mark.parametrize(
        "event",
        [
            EffectFinished("reward:gone"),
            EffectPostponed(key="reward:gone", due_at_ms=NOW_MS, reason="timeout"),
            EffectParked("reward:gone", "timeout"),
            EffectResumed("reward:gone"),
        ],
        ids=["finished", "postponed", "parked", "resumed"],
    )
    def test_what_is_said_of_an_effect_that_is_gone_changes_nothing(
        self, event: EffectFinished | EffectPostponed | EffectParked | EffectResumed
    ) -> None:
        order = self.a_paid_order()

        assert after(order, event) is order


def test_a_payment_strikes_off_the_query_and_the_close_of_its_attempt() -> None:
    order = after(an_order(60, 40), started("小明", lease_ms=0), started("小红", lease_ms=0), paid(1, amount=60))
    order = after(order, started("小红"))
    about_first = {f"query:{attempt_no(2)}", f"close:{attempt_no(2)}"}
    assert about_first <= {effect.key for effect in order.effects}

    order = after(order, paid(2, amount=60))

    assert not about_first & {effect.key for effect in order.effects}


def test_completing_the_order_tells_the_merchant_and_stops_the_expiry() -> None:
    order = after(an_order(), started(), paid())

    assert {effect.key for effect in order.effects} == {
        f"reward:{attempt_no(1)}",
        f"webhook:payment.paid:{attempt_no(1)}",
        f"tell_initiator:{attempt_no(1)}",
        "webhook:order.paid",
    }
    assert {effect.due_at_ms for effect in order.effects} == {NOW_MS}


class TestComingBack:
    def test_a_friend_who_presses_pay_again_is_asked_after_from_the_first_gap(self) -> None:
        """An hour after the first press the next query was up to an hour away."""
        order = after(an_order(), started())
        key = f"query:{attempt_no(1)}"
        for tries in range(4):
            order = after(order, EffectPostponed(key=key, due_at_ms=NOW_MS + tries * MINUTE_MS, reason="NOTPAY"))

        order = after(order, started(), now_ms=NOW_MS + 2 * MINUTE_MS)

        effect = find(order, key)
        assert (effect.tries, effect.due_at_ms) == (0, NOW_MS + 2 * MINUTE_MS + 5_000)

    def test_a_double_click_asks_no_sooner(self) -> None:
        order = after(an_order(), started())

        assert after(order, started(), now_ms=NOW_MS + 1_000) is order

    def test_what_was_parked_stays_so(self) -> None:
        key = f"query:{attempt_no(1)}"
        order = after(an_order(), started(), EffectParked(key, "AmountMismatch"))

        assert find(after(order, started(), now_ms=NOW_MS + 2 * MINUTE_MS), key).parked
