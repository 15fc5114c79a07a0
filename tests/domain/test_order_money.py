"""Money that comes: it takes a share that is still free, or it is owed back, and a repeat changes nothing."""

import msgspec
import pytest
from msgspec.structs import replace

from server.domain.document import Order, OrderState, balance
from server.domain.effects import Effect, EffectKind
from server.domain.events import (
    CloseRequested,
    Evidence,
    PaymentConfirmed,
    RefundReason,
    RefundState,
    TradeState,
    TradeType,
)
from server.errors import AmountMismatch, OrderError, PayerMismatch, TransactionMismatch, UnknownAttempt
from tests.builders import (
    MINUTE_MS,
    NOW_MS,
    a_person,
    after,
    an_order,
    attempt_no,
    paid,
    refund_asked,
    refund_is,
    refund_no,
    started,
    unpaid,
)

TWO_FRIENDS = (started("小明", lease_ms=0), started("小红", lease_ms=0))


def reasons(order: Order) -> list[tuple[str, RefundReason]]:
    return [(refund.out_refund_no, refund.reason) for payment in order.payments for refund in payment.refunds]


def refunds_to_pay(order: Order) -> set[str]:
    return {effect.about for effect in order.effects if effect.kind is EffectKind.REFUND}


class TestTakingAShare:
    def test_the_only_share_paid_completes_the_order(self) -> None:
        confirmed = paid(1, paid_at_ms=NOW_MS - 900, evidence=Evidence.QUERY, openid=a_person("小明").openid)

        order = after(an_order(), started("小明"), confirmed, now_ms=NOW_MS)

        (payment,) = order.payments
        assert (order.state, order.paid_at_ms) == (OrderState.PAID, NOW_MS)
        assert (payment.trade_state, payment.transaction_id) == (TradeState.SUCCESS, confirmed.transaction_id)
        assert (payment.paid_at_ms, payment.evidence) == (NOW_MS - 900, Evidence.QUERY)
        assert payment.lease_until_ms == 0
        assert [entry.kind for entry in order.entries] == ["created", "paying", "paid", "completed"]

    def test_a_split_order_waits_for_its_last_share(self) -> None:
        order = after(an_order(60, 40), started("小明"), started("小红"), paid(1, amount=60))
        assert (order.state, balance(order).kept) == (OrderState.OPEN, 60)

        order = after(order, paid(2, amount=40))
        assert (order.state, balance(order).kept) == (OrderState.PAID, 100)

    def test_two_friends_at_one_share_of_two_equal_ones_take_one_each(self) -> None:
        order = after(an_order(50, 50), *TWO_FRIENDS, paid(1, amount=50), paid(2, amount=50))

        assert order.state is OrderState.PAID
        assert sorted(order.held_shares) == [0, 1]
        assert reasons(order) == []

    def test_money_takes_the_share_its_friend_pressed_pay_for_and_not_the_first_free_one(self) -> None:
        order = after(an_order(50, 50), started("小明"), started("小红"), paid(2, amount=50))

        assert list(order.held_shares) == [1]

    def test_an_attempt_the_query_called_closed_still_takes_its_share_when_money_comes(self) -> None:
        order = after(an_order(), started(), unpaid(1, TradeState.CLOSED), paid(1))

        assert order.state is OrderState.PAID


class TestSecondMoney:
    def test_the_second_friend_at_one_share_is_owed_his_money_back(self) -> None:
        order = after(an_order(), *TWO_FRIENDS, paid(1), paid(2))

        assert order.state is OrderState.PAID
        assert reasons(order) == [(refund_no(2), RefundReason.SECOND_MONEY)]
        assert refunds_to_pay(order) == {refund_no(2)}
        assert order.payments[1].share is None
        assert [(entry.kind, entry.name) for entry in order.entries[-2:]] == [
            ("second_money", "小红"),
            ("refund_due", "小红"),
        ]

    def test_a_share_of_another_amount_is_no_place_for_second_money(self) -> None:
        order = after(an_order(60, 40), *TWO_FRIENDS, paid(1, amount=60), paid(2, amount=60))

        assert order.state is OrderState.OPEN
        assert reasons(order) == [(refund_no(2), RefundReason.SECOND_MONEY)]

    def test_two_transactions_under_one_number_are_both_written_down_and_the_second_is_owed_back(self) -> None:
        order = after(an_order(), started(), paid(1, transaction_id="A"), paid(1, transaction_id="B"))

        assert [(p.out_trade_no, p.transaction_id, p.share) for p in order.payments] == [
            (attempt_no(1), "A", 0),
            (attempt_no(1), "B", None),
        ]
        assert reasons(order) == [(refund_no(2), RefundReason.SECOND_MONEY)]

    def test_a_second_transaction_under_one_number_is_owed_back_though_a_share_is_free(self) -> None:
        """It used to be counted as received, but neither took the free share nor was owed back."""
        order = after(an_order(50, 50), started())

        order = after(order, paid(1, amount=50, transaction_id="A"), paid(1, amount=50, transaction_id="B"))

        assert (order.state, balance(order).kept, balance(order).refund_due) == (OrderState.OPEN, 50, 50)
        assert refunds_to_pay(order) == {refund_no(2)}

    def test_both_of_two_transactions_under_one_number_go_back_if_the_order_closes(self) -> None:
        order = after(an_order(60, 40), started(), paid(1, amount=60, transaction_id="A"))
        order = after(order, paid(1, amount=60, transaction_id="B"), CloseRequested())

        assert order.state is OrderState.CLOSED
        assert sorted(refunds_to_pay(order)) == [refund_no(1), refund_no(2)]

    def test_the_attempt_after_two_transactions_under_one_number_gets_a_number_of_its_own(self) -> None:
        order = after(an_order(60, 40), started(), paid(1, amount=60, transaction_id="A"))
        order = after(order, paid(1, amount=60, transaction_id="B"), started("小红"), paid(3, amount=40))

        assert order.state is OrderState.PAID
        assert [payment.out_trade_no for payment in order.payments] == [attempt_no(1), attempt_no(1), attempt_no(3)]

    def test_money_on_a_refunded_order_goes_back_and_the_order_stays_refunded(self) -> None:
        order = after(an_order(), *TWO_FRIENDS, paid(1), refund_asked(), refund_is(RefundState.SUCCESS))

        order = after(order, paid(2))

        assert order.state is OrderState.REFUNDED
        assert refunds_to_pay(order) == {refund_no(2)}


class TestRepeat:
    @pytest.mark.parametrize("evidence", Evidence)
    def test_a_payment_told_again_leaves_the_very_same_order(self, evidence: Evidence) -> None:
        order = after(an_order(), started(), paid())

        again = paid(evidence=evidence, paid_at_ms=NOW_MS + 1)
        assert after(order, again, now_ms=NOW_MS + 365 * 24 * 60 * MINUTE_MS) is order

    def test_money_owed_back_told_again_is_not_owed_twice(self) -> None:
        order = after(an_order(), *TWO_FRIENDS, paid(1), paid(2))

        assert after(order, paid(2)) is order

    def test_a_payment_told_again_after_its_refund_changes_nothing(self) -> None:
        order = after(an_order(), started(), paid(), refund_asked(), refund_is(RefundState.SUCCESS))

        assert after(order, paid()) is order

    def test_a_repeat_is_told_after_the_order_was_written_and_read_back(self) -> None:
        order = after(an_order(), *TWO_FRIENDS, paid(1), paid(2))
        order = msgspec.json.decode(msgspec.json.encode(order), type=Order)

        assert after(order, paid(1), paid(2)) is order

    def test_ten_thousand_repeats_do_not_grow_the_document(self) -> None:
        order = after(an_order(50, 50), *TWO_FRIENDS, paid(1, amount=50))
        size_bytes = len(msgspec.json.encode(order))

        for _ in range(10_000):
            order = after(order, paid(1, amount=50))

        assert len(msgspec.json.encode(order)) == size_bytes


REFUSED: list[tuple[PaymentConfirmed, type[OrderError]]] = [
    (paid(1, amount=99), AmountMismatch),
    (paid(1, amount=101), AmountMismatch),
    (paid(1, amount=0), AmountMismatch),
    (paid(1, amount=-100), AmountMismatch),
    (paid(1, fee_type="USD"), AmountMismatch),
    (paid(1, openid="openid-of-somebody-else"), PayerMismatch),
    (paid(1, transaction_id="taken"), TransactionMismatch),
    (paid(9), UnknownAttempt),
]


class TestRefusal:
    @pytest.mark.parametrize(("money", "refusal"), REFUSED)
    @pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
    def test_money_that_does_not_fit_is_refused_whatever_the_state(
        self, money: PaymentConfirmed, refusal: type[OrderError], closed: bool
    ) -> None:
        order = after(an_order(100, 50), *TWO_FRIENDS, paid(2, transaction_id="taken"))
        if closed:
            order = after(order, CloseRequested(), unpaid(1))
        before = msgspec.json.encode(order)

        with pytest.raises(refusal):
            after(order, money)
        assert msgspec.json.encode(order) == before

    def test_another_amount_is_told_with_both_amounts_and_the_currency(self) -> None:
        with pytest.raises(AmountMismatch) as refusal:
            after(an_order(), started(), paid(amount=1, fee_type="USD"))
        assert (refusal.value.expected, refusal.value.got, refusal.value.fee_type) == (100, 1, "USD")

    def test_a_source_that_does_not_name_the_payer_is_believed(self) -> None:
        assert after(an_order(), started(), paid(openid="")).state is OrderState.PAID

    @pytest.mark.parametrize("trade_type", [TradeType.NATIVE, TradeType.MWEB, TradeType.APP])
    def test_what_anybody_can_open_is_believed_of_anybody(self, trade_type: TradeType) -> None:
        order = after(an_order(), started(trade_type=trade_type), paid(openid="openid-of-somebody-else"))

        assert order.state is OrderState.PAID

    def test_a_mini_programs_payment_is_bound_to_its_payer(self) -> None:
        with pytest.raises(PayerMismatch):
            after(an_order(), started(trade_type=TradeType.MINIPROGRAM), paid(openid="openid-of-somebody-else"))


def test_a_payment_earns_its_reward_and_its_news_exactly_once() -> None:
    order = after(an_order(50, 50), started(), paid(1, amount=50))

    expected = [
        Effect(kind=EffectKind.EXPIRE, about="", due_at_ms=order.expires_at_ms),
        Effect(kind=EffectKind.REWARD, about=attempt_no(1), due_at_ms=NOW_MS),
        Effect(kind=EffectKind.TELL_INITIATOR, about=attempt_no(1), due_at_ms=NOW_MS),
        Effect(kind=EffectKind.WEBHOOK, about=f"payment.paid:{attempt_no(1)}", number=1, due_at_ms=NOW_MS),
    ]
    assert list(order.effects) == expected


def test_no_message_is_owed_where_none_was_configured_or_nobody_else_paid() -> None:
    quiet = after(replace(an_order(), tells_initiator=False), started(), paid())
    own = an_order()
    own = after(replace(own, initiator=started().payer), started(), paid())

    for order in (quiet, own):
        assert all(effect.kind is not EffectKind.TELL_INITIATOR for effect in order.effects)
