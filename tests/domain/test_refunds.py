"""Money on its way back: how much, under which number, and only ever forward."""

from typing import Final

import pytest

from server.domain.document import Order, OrderState, balance
from server.domain.effects import REFUND_QUERY_GAPS_S, Effect, EffectKind
from server.domain.events import (
    EffectParked,
    RefundAskedAgain,
    RefundReason,
    RefundReported,
    RefundSettledByHand,
    RefundState,
    TradeState,
)
from server.domain.refunds import MOST_PARTS
from server.errors import (
    IllegalTransition,
    RefundNotClosed,
    RefundNotStuck,
    RefundPaidTwice,
    RefundTooLarge,
    TooManyRefunds,
    UnknownAttempt,
)
from tests.builders import NOW_MS, after, an_order, attempt_no, paid, refund_asked, refund_is, refund_no, started

# How far a refund can come by WeChat's word, the furthest last.
SAID: Final = (
    RefundState.DUE,
    RefundState.PROCESSING,
    RefundState.ABNORMAL,
    RefundState.CLOSED,
    RefundState.SUCCESS,
)


def a_paid_order(*shares: int) -> Order:
    """Return an order each share of which (fen) was paid by a friend of his own."""
    order = an_order(*shares)
    for number, share in enumerate(order.shares, start=1):
        order = after(order, started(f"friend {number}"), paid(number, amount=share))
    assert order.state is OrderState.PAID
    return order


def refunds_of(order: Order) -> dict[str, int]:
    return {refund.out_refund_no: refund.amount for payment in order.payments for refund in payment.refunds}


def waiting(order: Order, kind: EffectKind) -> list[Effect]:
    return [effect for effect in order.effects if effect.kind is kind]


class TestAsking:
    def test_a_refund_of_the_whole_order_owes_every_payment_its_own(self) -> None:
        order = after(a_paid_order(60, 40), refund_asked())

        assert refunds_of(order) == {refund_no(1): 60, refund_no(2): 40}
        assert {refund.reason for payment in order.payments for refund in payment.refunds} == {RefundReason.ASKED}
        assert [effect.about for effect in waiting(order, EffectKind.REFUND)] == [refund_no(1), refund_no(2)]
        assert (order.state, balance(order).kept, balance(order).refund_due) == (OrderState.PAID, 0, 100)

    def test_asking_again_for_what_is_on_its_way_changes_nothing(self) -> None:
        order = after(a_paid_order(60, 40), refund_asked())

        assert after(order, refund_asked()) is order
        assert after(order, refund_asked(1)) is order

    def test_one_payment_of_several_can_go_back_alone(self) -> None:
        order = after(a_paid_order(60, 40), refund_asked(2))

        assert refunds_of(order) == {refund_no(2): 40}

    def test_partial_refunds_each_have_a_number_of_their_own(self) -> None:
        order = after(a_paid_order(100), refund_asked(1, 30), refund_asked(1, 50), refund_asked(1))

        assert refunds_of(order) == {refund_no(1, 1): 30, refund_no(1, 2): 50, refund_no(1, 3): 20}
        assert balance(order).kept == 0

    def test_an_amount_without_a_payment_is_taken_from_the_first_ones_that_have_it(self) -> None:
        """It used to be overlooked, and the whole order went back."""
        order = after(a_paid_order(60, 40), refund_asked(amount=70))

        assert refunds_of(order) == {refund_no(1): 60, refund_no(2): 10}
        assert (balance(order).kept, balance(order).refund_due) == (30, 70)

    @pytest.mark.parametrize("amount", [71, 10**30, -1])
    @pytest.mark.parametrize("number", [1, None], ids=["of one payment", "of the order"])
    def test_more_than_is_left_is_refused_with_what_is_left(self, number: int | None, amount: int) -> None:
        order = after(a_paid_order(100), refund_asked(1, 30))

        with pytest.raises(RefundTooLarge) as refusal:
            after(order, refund_asked(number, amount))
        assert (refusal.value.asked, refusal.value.left) == (amount, 70)
        assert refusal.value.out_trade_no == (attempt_no(1) if number else order.order_id)

    def test_the_last_part_wechat_takes_has_to_be_all_that_is_left(self) -> None:
        """A 51st part was promised, and could never go back."""
        order = after(a_paid_order(100), *[refund_asked(1, 1)] * (MOST_PARTS - 1))

        with pytest.raises(TooManyRefunds) as refusal:
            after(order, refund_asked(1, 50))
        assert (refusal.value.limit, refusal.value.left) == (50, 51)
        whole = after(order, refund_asked(1))
        assert (len(refunds_of(whole)), balance(whole).kept) == (MOST_PARTS, 0)

    def test_asking_for_nothing_changes_nothing(self) -> None:
        order = a_paid_order(100)

        assert after(order, refund_asked(1, 0)) is order

    def test_a_payment_that_never_was_cannot_go_back(self) -> None:
        with pytest.raises(UnknownAttempt):
            after(a_paid_order(100), refund_asked(9))

    def test_an_attempt_nobody_paid_has_nothing_to_give_back(self) -> None:
        order = after(an_order(100), started("小明", lease_ms=0), started("小红"), paid(1))

        assert after(order, refund_asked(2)) is order
        with pytest.raises(RefundTooLarge):
            after(order, refund_asked(2, 1))

    def test_an_order_that_still_waits_for_money_is_closed_not_refunded(self) -> None:
        with pytest.raises(IllegalTransition):
            after(an_order(60, 40), started(), paid(1, amount=60), refund_asked(1))

    def test_what_a_payment_earned_is_taken_back_with_it_but_second_money_earned_nothing(self) -> None:
        order = after(an_order(100), started("小明", lease_ms=0), started("小红"), paid(1), paid(2), refund_asked())

        assert [effect.about for effect in waiting(order, EffectKind.TAKE_BACK_REWARD)] == [refund_no(1)]


class TestProgress:
    def test_an_accepted_refund_is_asked_about_later_and_not_paid_again(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.PROCESSING, refund_id="50001"))

        assert waiting(order, EffectKind.REFUND) == []
        assert [(effect.about, effect.due_at_ms) for effect in waiting(order, EffectKind.QUERY_REFUND)] == [
            (refund_no(1), NOW_MS + REFUND_QUERY_GAPS_S[0] * 1000)
        ]
        assert order.payments[0].refunds[0].refund_id == "50001"
        assert (order.state, order.payments[0].trade_state) == (OrderState.PAID, TradeState.SUCCESS)

    def test_a_refund_that_arrived_is_told_to_the_merchant_and_waits_for_nothing(self) -> None:
        order = after(a_paid_order(60, 40), refund_asked(1), refund_is(RefundState.PROCESSING))

        order = after(order, refund_is(RefundState.SUCCESS, refund_id=""), now_ms=NOW_MS + 5)

        (refund,) = order.payments[0].refunds
        assert (refund.state, refund.refunded_at_ms, refund.refund_id) == (
            RefundState.SUCCESS,
            NOW_MS + 5,
            "5000000001",
        )
        assert order.payments[0].trade_state is TradeState.REFUND
        assert [(entry.kind, entry.amount) for entry in order.entries[-2:]] == [("refund_due", 60), ("refunded", 60)]
        assert waiting(order, EffectKind.REFUND) == waiting(order, EffectKind.QUERY_REFUND) == []
        assert f"webhook:refund.success:{refund_no(1)}" in {effect.key for effect in order.effects}
        assert (balance(order).kept, balance(order).refunded) == (40, 60)

    def test_the_notify_may_be_faster_than_the_answer_to_our_own_call(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.SUCCESS))

        assert after(order, refund_is(RefundState.PROCESSING)) is order
        assert waiting(order, EffectKind.REFUND) == []

    @pytest.mark.parametrize("state", SAID)
    @pytest.mark.parametrize("later", SAID)
    def test_a_refund_only_moves_forward(self, state: RefundState, later: RefundState) -> None:
        order = after(a_paid_order(60, 40), refund_asked(1), refund_is(state))

        moved = after(order, refund_is(later))

        if SAID.index(later) > SAID.index(state):
            assert moved.payments[0].refunds[0].state is later
        else:
            assert moved is order

    def test_an_abnormal_refund_is_still_owed(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.ABNORMAL))

        assert (order.state, balance(order).refund_due) == (OrderState.PAID, 100)

    @pytest.mark.parametrize("before", [RefundState.DUE, RefundState.PROCESSING])
    def test_an_abnormal_refund_is_still_asked_about_however_it_became_abnormal(self, before: RefundState) -> None:
        """One whose first answer was ABNORMAL used to be asked about never again."""
        order = after(a_paid_order(100), refund_asked(), refund_is(before), refund_is(RefundState.ABNORMAL))

        assert [effect.about for effect in waiting(order, EffectKind.QUERY_REFUND)] == [refund_no(1)]
        assert waiting(order, EffectKind.REFUND) == []

    def test_a_refund_nobody_asked_for_is_refused(self) -> None:
        with pytest.raises(UnknownAttempt) as refusal:
            after(a_paid_order(100), refund_is(RefundState.SUCCESS))
        assert refusal.value.out_trade_no == refund_no(1)

    def test_the_second_of_two_transactions_under_one_number_is_refunded_under_its_own(self) -> None:
        order = after(an_order(), started(), paid(1, transaction_id="A"), paid(1, transaction_id="B"))

        order = after(order, refund_is(RefundState.SUCCESS, 2))

        assert [payment.trade_state for payment in order.payments] == [TradeState.SUCCESS, TradeState.REFUND]
        assert balance(order).refunded == 100


class TestWord:
    """WeChat's refund notify: no proof, but reason to ask at once."""

    def test_it_makes_the_question_after_the_refund_due_now(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.PROCESSING))

        order = after(order, RefundReported(refund_no(1)), now_ms=NOW_MS + 5)

        assert [effect.due_at_ms for effect in waiting(order, EffectKind.QUERY_REFUND)] == [NOW_MS + 5]
        assert after(order, RefundReported(refund_no(1)), now_ms=NOW_MS + 6) is order

    def test_before_the_answer_to_our_own_call_it_plans_a_question_the_answer_does_not_put_off(self) -> None:
        """Nothing was planned yet, so nothing was brought forward, and the page heard of the end a minute late."""
        order = after(a_paid_order(100), refund_asked(), RefundReported(refund_no(1)))
        assert waiting(order, EffectKind.REFUND) != []

        order = after(order, refund_is(RefundState.PROCESSING), now_ms=NOW_MS + 5)

        assert [effect.due_at_ms for effect in waiting(order, EffectKind.QUERY_REFUND)] == [NOW_MS]
        assert waiting(order, EffectKind.REFUND) == []

    def test_it_wakes_a_question_that_waits_for_a_person(self) -> None:
        question = f"{EffectKind.QUERY_REFUND}:{refund_no(1)}"
        abnormal = refund_is(RefundState.ABNORMAL)
        order = after(a_paid_order(100), refund_asked(), abnormal, EffectParked(question, "TRADE_OVERDUE"))

        order = after(order, RefundReported(refund_no(1)))

        assert [(e.parked, e.due_at_ms) for e in waiting(order, EffectKind.QUERY_REFUND)] == [(False, NOW_MS)]

    def test_of_a_refund_that_has_arrived_it_says_nothing_new(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.SUCCESS))

        assert after(order, RefundReported(refund_no(1))) is order


class TestRefunded:
    def test_a_paid_order_is_refunded_once_every_fen_is_back(self) -> None:
        order = after(a_paid_order(60, 40), refund_asked(), refund_is(RefundState.SUCCESS, 1))
        assert order.state is OrderState.PAID

        order = after(order, refund_is(RefundState.SUCCESS, 2))
        assert (order.state, balance(order).kept, balance(order).refunded) == (OrderState.REFUNDED, 0, 100)

    def test_partial_refunds_make_it_refunded_only_when_the_last_one_arrived(self) -> None:
        order = after(a_paid_order(100), refund_asked(1, 30), refund_is(RefundState.SUCCESS, 1, 1))
        assert order.state is OrderState.PAID

        order = after(order, refund_asked(1), refund_is(RefundState.SUCCESS, 1, 2))
        assert order.state is OrderState.REFUNDED

    def test_second_money_that_went_back_leaves_the_order_paid(self) -> None:
        order = after(an_order(), started("小明", lease_ms=0), started("小红"), paid(1), paid(2))

        order = after(order, refund_is(RefundState.SUCCESS, 2))

        assert (order.state, balance(order).kept) == (OrderState.PAID, 100)

    def test_second_money_still_on_its_way_does_not_keep_the_order_from_being_refunded(self) -> None:
        order = after(an_order(), started("小明", lease_ms=0), started("小红"), paid(1), paid(2), refund_asked())

        order = after(order, refund_is(RefundState.SUCCESS, 1))

        assert (order.state, balance(order).refund_due) == (OrderState.REFUNDED, 100)
        assert [effect.about for effect in waiting(order, EffectKind.REFUND)] == [refund_no(2)]


class TestAskedAgain:
    """A refund that WeChat closed goes back under a new number, when a person says so."""

    def test_the_new_refund_owes_the_same_for_the_same_reason_and_the_closed_one_nothing(self) -> None:
        order = after(a_paid_order(100), refund_asked(1, 30), refund_is(RefundState.CLOSED))

        order = after(order, RefundAskedAgain(refund_no(1, 1)))

        closed, fresh = order.payments[0].refunds
        assert (closed.state, closed.replaced_by) == (RefundState.CLOSED, refund_no(1, 2))
        assert (fresh.out_refund_no, fresh.amount, fresh.reason, fresh.state) == (
            refund_no(1, 2),
            30,
            RefundReason.ASKED,
            RefundState.DUE,
        )
        assert (balance(order).kept, balance(order).refund_due) == (70, 30)
        assert [effect.about for effect in waiting(order, EffectKind.REFUND)] == [refund_no(1, 2)]
        assert waiting(order, EffectKind.QUERY_REFUND) == []

    def test_said_twice_it_is_owed_once(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.CLOSED), RefundAskedAgain(refund_no()))

        assert after(order, RefundAskedAgain(refund_no())) is order

    @pytest.mark.parametrize("state", [state for state in SAID if state is not RefundState.CLOSED])
    def test_one_that_may_still_arrive_or_has_is_not_asked_for_again(self, state: RefundState) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(state))

        with pytest.raises(RefundNotClosed) as refusal:
            after(order, RefundAskedAgain(refund_no()))
        assert (refusal.value.out_refund_no, refusal.value.state) == (refund_no(), state)

    def test_a_new_one_that_is_closed_too_can_be_asked_for_again_and_the_order_ends_refunded(self) -> None:
        order = a_paid_order(100)
        order = after(order, refund_asked(), refund_is(RefundState.CLOSED), RefundAskedAgain(refund_no(1, 1)))
        order = after(order, refund_is(RefundState.CLOSED, 1, 2), RefundAskedAgain(refund_no(1, 2)))
        assert order.state is OrderState.PAID

        order = after(order, refund_is(RefundState.SUCCESS, 1, 3))

        assert (order.state, balance(order).refunded) == (OrderState.REFUNDED, 100)

    def test_the_last_number_wechat_takes_is_kept_for_what_is_left(self) -> None:
        parts = [refund_asked(1, 1)] * (MOST_PARTS - 1)
        order = after(a_paid_order(100), *parts, refund_is(RefundState.CLOSED))

        with pytest.raises(TooManyRefunds):
            after(order, RefundAskedAgain(refund_no()))

    def test_wechats_word_that_the_closed_one_arrived_after_all_is_refused_loudly(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.CLOSED), RefundAskedAgain(refund_no()))

        assert after(order, refund_is(RefundState.PROCESSING)) is order
        with pytest.raises(RefundPaidTwice):
            after(order, refund_is(RefundState.SUCCESS))


class TestSettledByHand:
    """A person paid a stuck refund back outside WeChat."""

    @pytest.mark.parametrize("state", [RefundState.ABNORMAL, RefundState.CLOSED])
    def test_it_is_back_with_the_note_as_evidence_and_the_order_ends_refunded(self, state: RefundState) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(state))

        order = after(order, RefundSettledByHand(refund_no(), "bank transfer 7781"), now_ms=NOW_MS + 5)

        (refund,) = order.payments[0].refunds
        assert (refund.state, refund.settled_note, refund.refunded_at_ms) == (
            RefundState.SETTLED,
            "bank transfer 7781",
            NOW_MS + 5,
        )
        assert (order.state, balance(order).refunded, balance(order).refund_due) == (OrderState.REFUNDED, 100, 0)
        assert (order.entries[-1].kind, order.entries[-1].amount) == ("refund_settled", 100)
        assert waiting(order, EffectKind.REFUND) == waiting(order, EffectKind.QUERY_REFUND) == []
        assert f"webhook:refund.settled:{refund_no()}" in {effect.key for effect in order.effects}

    def test_the_first_note_stays(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.ABNORMAL))
        order = after(order, RefundSettledByHand(refund_no(), "in cash"))

        assert after(order, RefundSettledByHand(refund_no(), "another tale")) is order

    @pytest.mark.parametrize("state", [state for state in SAID if not state.is_stuck])
    def test_one_that_wechat_pays_or_has_paid_is_not_paid_by_hand(self, state: RefundState) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(state))

        with pytest.raises(RefundNotStuck) as refusal:
            after(order, RefundSettledByHand(refund_no(), "in cash"))
        assert refusal.value.state == state

    def test_nor_is_one_whose_money_goes_back_under_a_new_number(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.CLOSED), RefundAskedAgain(refund_no()))

        with pytest.raises(RefundNotStuck) as refusal:
            after(order, RefundSettledByHand(refund_no(), "in cash"))
        assert refusal.value.state == "REPLACED"

    def test_nor_does_one_that_was_paid_by_hand_go_back_under_a_new_number(self) -> None:
        order = after(a_paid_order(100), refund_asked(), refund_is(RefundState.CLOSED))
        order = after(order, RefundSettledByHand(refund_no(), "in cash"))

        with pytest.raises(RefundNotClosed):
            after(order, RefundAskedAgain(refund_no()))
        with pytest.raises(RefundPaidTwice):
            after(order, refund_is(RefundState.SUCCESS))


def test_a_refund_number_is_fixed_by_the_place_of_its_payment() -> None:
    order = after(a_paid_order(60, 40), refund_asked(2))

    assert list(refunds_of(order)) == [f"{attempt_no(2)}R1"]
