"""The end of an order nobody completed: closing waits for every attempt, and what was paid goes back."""

import pytest

from server.domain.document import OrderState, balance
from server.domain.effects import CLOSE_NOT_BEFORE_S, EffectKind
from server.domain.events import CloseRequested, OrderExpired, RefundReason, TradeState
from server.errors import IllegalTransition, OrderNotPayable, UnknownAttempt
from tests.builders import (
    EXPIRES_AT_MS,
    MINUTE_MS,
    NOW_MS,
    after,
    an_order,
    attempt_no,
    paid,
    refund_no,
    started,
    unpaid,
)

TWO_FRIENDS = (started("小明", lease_ms=0), started("小红", lease_ms=0))


class TestWithoutOpenAttempts:
    def test_an_order_nobody_tried_to_pay_is_closed_at_once(self) -> None:
        order = after(an_order(), CloseRequested(), now_ms=NOW_MS + 7)

        assert (order.state, order.rev, order.closed_at_ms) == (OrderState.CLOSED, 2, NOW_MS + 7)
        assert [effect.key for effect in order.effects] == ["webhook:order.closed"]
        assert [entry.kind for entry in order.entries] == ["created", "closing", "closed"]

    def test_an_order_whose_time_is_over_says_so_in_its_story(self) -> None:
        order = after(an_order(), OrderExpired(), now_ms=EXPIRES_AT_MS)

        assert order.state is OrderState.CLOSED
        assert [entry.kind for entry in order.entries] == ["created", "expired", "closed"]

    def test_an_expiry_that_comes_too_early_is_ignored(self) -> None:
        order = an_order()

        assert after(order, OrderExpired(), now_ms=EXPIRES_AT_MS - 1) is order

    def test_an_order_whose_attempts_were_all_closed_before_is_closed_at_once(self) -> None:
        assert after(an_order(), *TWO_FRIENDS, unpaid(1), unpaid(2), CloseRequested()).state is OrderState.CLOSED


class TestWithOpenAttempts:
    def test_closing_asks_wechat_to_close_each_open_attempt_but_not_too_young(self) -> None:
        order = after(an_order(), started("小明", lease_ms=0))
        later_ms = NOW_MS + 10 * MINUTE_MS
        order = after(order, started("小红", lease_ms=0), CloseRequested(), now_ms=later_ms)

        assert order.state is OrderState.CLOSING
        closes = {effect.about: effect.due_at_ms for effect in order.effects if effect.kind is EffectKind.CLOSE}
        assert closes == {attempt_no(1): later_ms, attempt_no(2): later_ms + CLOSE_NOT_BEFORE_S * 1000}
        assert "expire" not in {effect.key for effect in order.effects}

    def test_a_closing_order_still_asks_whether_its_attempts_are_paid(self) -> None:
        order = after(an_order(), started(), CloseRequested())

        assert f"query:{attempt_no(1)}" in {effect.key for effect in order.effects}

    def test_it_is_closed_when_its_last_open_attempt_is(self) -> None:
        order = after(an_order(), *TWO_FRIENDS, CloseRequested(), unpaid(1))
        assert order.state is OrderState.CLOSING

        order = after(order, unpaid(2))
        assert order.state is OrderState.CLOSED
        assert [effect.key for effect in order.effects] == ["webhook:order.closed"]

    @pytest.mark.parametrize("state", [TradeState.NOTPAY, TradeState.USERPAYING, TradeState.PAYERROR])
    def test_an_attempt_that_may_still_bring_money_keeps_the_order_closing(self, state: TradeState) -> None:
        assert after(an_order(), started(), CloseRequested(), unpaid(1, state)).state is OrderState.CLOSING

    def test_nobody_new_may_start_while_it_is_closing(self) -> None:
        with pytest.raises(OrderNotPayable) as refusal:
            after(an_order(), started(), CloseRequested(), started("小红"))
        assert refusal.value.state == OrderState.CLOSING

    def test_closing_twice_changes_nothing(self) -> None:
        order = after(an_order(), started(), CloseRequested())

        assert after(order, CloseRequested(), OrderExpired(), now_ms=EXPIRES_AT_MS) is order


class TestMoneyWhileClosing:
    def test_money_that_completes_the_order_makes_it_paid(self) -> None:
        order = after(an_order(), *TWO_FRIENDS, CloseRequested(), paid(1))

        assert (order.state, balance(order).kept) == (OrderState.PAID, 100)
        assert f"close:{attempt_no(2)}" in {effect.key for effect in order.effects}

    def test_money_for_one_of_several_shares_is_kept_while_another_attempt_is_open(self) -> None:
        order = after(an_order(50, 50), *TWO_FRIENDS, CloseRequested(), paid(1, amount=50))

        assert (order.state, balance(order).kept) == (OrderState.CLOSING, 50)

    def test_if_the_last_open_attempt_is_paid_and_shares_are_missing_everything_goes_back(self) -> None:
        order = after(an_order(50, 40, 10), started("小明"), started("小红"), paid(1, amount=50), CloseRequested())

        order = after(order, paid(2, amount=40))

        assert order.state is OrderState.CLOSED
        assert (balance(order).kept, balance(order).refund_due) == (0, 90)

    def test_second_money_on_a_closing_order_goes_back_at_once_and_may_end_the_closing(self) -> None:
        order = after(an_order(60, 40), *TWO_FRIENDS, paid(1, amount=60), CloseRequested(), paid(2, amount=60))

        assert order.state is OrderState.CLOSED
        assert [refund.reason for payment in order.payments for refund in payment.refunds] == [
            RefundReason.ORDER_CLOSED,
            RefundReason.SECOND_MONEY,
        ]


class TestMoneyThatGoesBack:
    def test_each_friend_who_paid_a_share_of_a_closed_order_is_owed_his_own_money(self) -> None:
        order = after(an_order(50, 40, 10), started("小明"), started("小红"), paid(1, amount=50), paid(2, amount=40))

        order = after(order, CloseRequested())

        refunds = {refund.out_refund_no: refund for payment in order.payments for refund in payment.refunds}
        assert {number: refund.amount for number, refund in refunds.items()} == {refund_no(1): 50, refund_no(2): 40}
        assert {refund.reason for refund in refunds.values()} == {RefundReason.ORDER_CLOSED}
        assert {effect.about for effect in order.effects if effect.kind is EffectKind.REFUND} == set(refunds)

    def test_late_money_on_a_closed_order_is_owed_back_and_the_order_stays_closed(self) -> None:
        order = after(an_order(), started(), CloseRequested(), unpaid(1))

        order = after(order, paid(1), now_ms=NOW_MS + 3 * 24 * 60 * MINUTE_MS)

        (payment,) = order.payments
        assert (order.state, payment.share, payment.trade_state) == (OrderState.CLOSED, None, TradeState.SUCCESS)
        assert [refund.reason for refund in payment.refunds] == [RefundReason.LATE_MONEY]
        assert f"refund:{refund_no(1)}" in {effect.key for effect in order.effects}


class TestUnpaid:
    def test_what_is_paid_is_never_called_unpaid_again(self) -> None:
        order = after(an_order(), started(), paid())

        for state in (TradeState.NOTPAY, TradeState.USERPAYING, TradeState.PAYERROR, TradeState.CLOSED):
            assert after(order, unpaid(1, state)) is order

    def test_what_is_closed_never_opens_again(self) -> None:
        order = after(an_order(), started(), unpaid(1))

        for state in (TradeState.NOTPAY, TradeState.USERPAYING, TradeState.PAYERROR, TradeState.CLOSED):
            assert after(order, unpaid(1, state)) is order

    def test_the_same_answer_again_changes_nothing(self) -> None:
        order = after(an_order(), started(), unpaid(1, TradeState.USERPAYING))

        assert after(order, unpaid(1, TradeState.USERPAYING)) is order

    @pytest.mark.parametrize("state", [TradeState.SUCCESS, TradeState.REFUND])
    def test_a_paid_state_is_no_word_for_unpaid(self, state: TradeState) -> None:
        with pytest.raises(IllegalTransition):
            after(an_order(), started(), unpaid(1, state))

    def test_an_attempt_that_never_was_is_refused(self) -> None:
        with pytest.raises(UnknownAttempt):
            after(an_order(), unpaid(1))


def test_a_paid_order_cannot_be_closed() -> None:
    with pytest.raises(IllegalTransition):
        after(an_order(), started(), paid(), CloseRequested())


def test_a_paid_order_closes_the_attempts_it_no_longer_needs() -> None:
    order = after(an_order(), *TWO_FRIENDS, paid(1))
    assert {effect.about for effect in order.effects if effect.kind is EffectKind.CLOSE} == {attempt_no(2)}

    order = after(order, unpaid(2))
    assert attempt_no(2) not in {effect.about for effect in order.effects}
