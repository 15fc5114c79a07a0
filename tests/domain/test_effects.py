"""The document as its own outbox: keys, due times, and what the relay may do with an effect."""

import pytest

from server.domain.document import Order
from server.domain.effects import Effect, EffectKind, due_at_ms, with_effect, without
from server.domain.events import EffectFinished, EffectParked, EffectPostponed
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

    @pytest.mark.parametrize(
        "event",
        [
            EffectFinished("reward:gone"),
            EffectPostponed(key="reward:gone", due_at_ms=NOW_MS, reason="timeout"),
            EffectParked("reward:gone", "timeout"),
        ],
        ids=["finished", "postponed", "parked"],
    )
    def test_what_is_said_of_an_effect_that_is_gone_changes_nothing(
        self, event: EffectFinished | EffectPostponed | EffectParked
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
