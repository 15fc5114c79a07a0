"""Pressing pay: attempts, their numbers, and the lease that keeps other friends off a share."""

import pytest

from server.domain.document import Order, Payment
from server.domain.effects import CLOSE_NOT_BEFORE_S, QUERY_GAPS_S, EffectKind
from server.domain.events import TradeState, TradeType
from server.domain.order import MAX_ATTEMPTS, SHORTEST_ATTEMPT_MS
from server.errors import OrderNotPayable, ShareLeased, TooManyAttempts, UnknownAttempt
from tests.builders import (
    EXPIRES_AT_MS,
    LEASE_MS,
    MINUTE_MS,
    NOW_MS,
    a_person,
    after,
    an_order,
    attempt_no,
    paid,
    released,
    started,
    unpaid,
)


def shares_tried(order: Order) -> list[int | None]:
    return [payment.share for payment in order.payments]


def being_closed(order: Order) -> set[str]:
    return {effect.about for effect in order.effects if effect.kind is EffectKind.CLOSE}


class TestFirstPress:
    def test_the_first_press_makes_an_attempt_bound_to_the_friend(self) -> None:
        order = after(an_order(100), started("小明", client_ip="203.0.113.9"))

        assert order.payments == (
            Payment(
                out_trade_no=attempt_no(1),
                payer=a_person("小明"),
                amount=order.amount,
                share=0,
                trade_type=TradeType.JSAPI,
                client_ip="203.0.113.9",
                created_at_ms=NOW_MS,
                expires_at_ms=EXPIRES_AT_MS,
                lease_until_ms=NOW_MS + LEASE_MS,
            ),
        )
        assert [(entry.kind, entry.name, entry.amount) for entry in order.entries[1:]] == [("paying", "小明", 100)]

    def test_an_attempt_is_queried_soon_after_it_was_made(self) -> None:
        order = after(an_order(), started())

        queries = [effect for effect in order.effects if effect.kind is EffectKind.QUERY]
        assert [(query.about, query.due_at_ms) for query in queries] == [
            (attempt_no(1), NOW_MS + QUERY_GAPS_S[0] * 1000)
        ]

    def test_an_attempt_made_at_the_last_moment_still_lives_as_long_as_wechat_asks(self) -> None:
        last_moment = EXPIRES_AT_MS - 1

        order = after(an_order(), started(), now_ms=last_moment)

        assert order.payments[0].expires_at_ms == last_moment + SHORTEST_ATTEMPT_MS

    def test_nobody_can_start_once_the_order_has_expired_even_if_nobody_closed_it_yet(self) -> None:
        with pytest.raises(OrderNotPayable) as refusal:
            after(an_order(), started(), now_ms=EXPIRES_AT_MS)
        assert refusal.value.state == "EXPIRED"

    def test_friends_who_press_one_after_the_other_get_one_share_each(self) -> None:
        order = after(an_order(34, 33, 33), started("小明"), started("小红"), started("小刚"))

        assert shares_tried(order) == [0, 1, 2]
        assert [payment.amount for payment in order.payments] == [34, 33, 33]
        assert len({payment.out_trade_no for payment in order.payments}) == 3

    def test_a_friend_who_paid_one_share_may_pay_another(self) -> None:
        order = after(an_order(50, 50), started("小明"), paid(1, amount=50), started("小明"))

        assert shares_tried(order) == [0, 1]

    def test_an_order_takes_no_more_attempts_than_a_document_may_hold(self) -> None:
        order = an_order()
        for number in range(MAX_ATTEMPTS):
            order = after(order, started(f"friend {number}", lease_ms=0))

        with pytest.raises(TooManyAttempts) as refusal:
            after(order, started("one more", lease_ms=0))
        assert refusal.value.limit == MAX_ATTEMPTS


class TestLease:
    def test_a_second_friend_is_told_when_the_share_may_be_free_again(self) -> None:
        order = after(an_order(), started("小明"))

        with pytest.raises(ShareLeased) as refusal:
            after(order, started("小红"), now_ms=NOW_MS + 500)
        assert refusal.value.until_ms == NOW_MS + LEASE_MS
        assert refusal.value.retry_after_s == LEASE_MS // 1000

    def test_with_every_share_leased_the_earliest_end_counts(self) -> None:
        order = after(an_order(50, 50), started("小明"))
        order = after(order, started("小红"), now_ms=NOW_MS + 1000)

        with pytest.raises(ShareLeased) as refusal:
            after(order, started("小刚"), now_ms=NOW_MS + 2000)
        assert refusal.value.until_ms == NOW_MS + LEASE_MS

    def test_a_lease_on_a_share_somebody_else_has_paid_says_nothing_of_the_others(self) -> None:
        order = after(an_order(50, 50), started("小明", lease_ms=0), started("小红", lease_ms=MINUTE_MS))
        order = after(order, paid(1, amount=50), started("小刚", lease_ms=3 * MINUTE_MS))
        assert shares_tried(order) == [0, 0, 1]

        with pytest.raises(ShareLeased) as refusal:
            after(order, started("小美"))
        assert refusal.value.until_ms == NOW_MS + 3 * MINUTE_MS

    def test_a_lease_ends_by_itself(self) -> None:
        order = after(an_order(), started("小明"))

        order = after(order, started("小红"), now_ms=NOW_MS + LEASE_MS)

        assert shares_tried(order) == [0, 0]

    def test_a_friend_who_leaves_the_cashier_frees_the_share_at_once(self) -> None:
        order = after(an_order(), started("小明"), released(1), started("小红"))

        assert [payment.lease_until_ms for payment in order.payments] == [0, NOW_MS + LEASE_MS]

    def test_leaving_twice_or_after_the_lease_ended_changes_nothing(self) -> None:
        order = after(an_order(), started())
        left = after(order, released())

        assert after(left, released()) is left
        assert after(order, released(), now_ms=NOW_MS + LEASE_MS) is order

    def test_leaving_an_attempt_that_never_was_is_refused(self) -> None:
        with pytest.raises(UnknownAttempt):
            after(an_order(), released(1))

    def test_without_a_pay_lease_nobody_waits_not_even_before_a_clock_that_runs_behind(self) -> None:
        order = after(an_order(), started("小明", lease_ms=0))

        order = after(order, started("小红", lease_ms=0), now_ms=NOW_MS - MINUTE_MS)

        assert shares_tried(order) == [0, 0]
        assert [payment.lease_until_ms for payment in order.payments] == [0, 0]

    def test_a_closed_attempt_holds_no_lease(self) -> None:
        order = after(an_order(), started("小明"), unpaid(1), started("小红"))

        assert order.payments[0].lease_until_ms == 0


class TestSecondPressOfTheSameFriend:
    def test_a_double_click_changes_nothing(self) -> None:
        order = after(an_order(), started("小明"))

        assert after(order, started("小明")) is order

    def test_a_lease_that_runs_is_not_prolonged_and_one_that_ended_begins_anew(self) -> None:
        order = after(an_order(), started("小明"))
        end_ms = NOW_MS + LEASE_MS

        assert after(order, started("小明"), now_ms=end_ms - 1) is order
        renewed = after(order, started("小明"), now_ms=end_ms)
        assert [payment.lease_until_ms for payment in renewed.payments] == [end_ms + LEASE_MS]

    def test_without_a_pay_lease_a_second_press_changes_nothing(self) -> None:
        order = after(an_order(), started("小明", lease_ms=0))

        assert after(order, started("小明", lease_ms=0), now_ms=NOW_MS + MINUTE_MS) is order

    def test_a_later_press_keeps_number_times_and_client_ip_of_the_first(self) -> None:
        order = after(an_order(), started("小明", client_ip="203.0.113.7"))
        later_ms = NOW_MS + LEASE_MS

        again = after(order, started("小明", client_ip="198.51.100.1"), now_ms=later_ms)

        (first,), (second,) = order.payments, again.payments
        assert second.lease_until_ms == later_ms + LEASE_MS
        assert (second.out_trade_no, second.client_ip) == (first.out_trade_no, first.client_ip)
        assert (second.created_at_ms, second.expires_at_ms) == (first.created_at_ms, first.expires_at_ms)

    def test_a_friend_whose_attempt_was_closed_gets_a_new_number(self) -> None:
        order = after(an_order(), started("小明"), unpaid(1), started("小明"))

        assert [payment.out_trade_no for payment in order.payments] == [attempt_no(1), attempt_no(2)]

    def test_a_friend_whose_attempt_failed_may_try_it_again(self) -> None:
        order = after(an_order(), started("小明"), unpaid(1, TradeState.PAYERROR))

        assert after(order, started("小明")) is order

    def test_a_friend_whose_share_was_paid_moves_to_another_of_the_same_amount(self) -> None:
        order = after(an_order(50, 50), started("小明", lease_ms=0), started("小红", lease_ms=0), paid(1, amount=50))

        order = after(order, started("小红"))

        assert [(p.out_trade_no, p.share) for p in order.payments] == [(attempt_no(1), 0), (attempt_no(2), 1)]

    def test_a_friend_whose_share_somebody_else_leases_moves_to_another_of_the_same_amount(self) -> None:
        order = after(an_order(50, 50), started("小明"), released(1), started("小红"))

        order = after(order, started("小明"))

        assert shares_tried(order) == [1, 0]

    def test_a_friend_left_with_shares_of_other_amounts_gets_a_new_number_and_the_old_one_is_closed(self) -> None:
        order = after(an_order(60, 40), started("小明", lease_ms=0), started("小红", lease_ms=0), paid(1, amount=60))

        order = after(order, started("小红"))

        assert [(p.amount, p.lease_until_ms) for p in order.payments[1:]] == [(60, 0), (40, NOW_MS + LEASE_MS)]
        closes = [effect for effect in order.effects if effect.kind is EffectKind.CLOSE]
        assert [(close.about, close.due_at_ms) for close in closes] == [
            (attempt_no(2), NOW_MS + CLOSE_NOT_BEFORE_S * 1000)
        ]


class TestChangeOfTradeType:
    native = started("小明", trade_type=TradeType.NATIVE)
    jsapi = started("小明", trade_type=TradeType.JSAPI)

    def test_another_way_to_pay_needs_another_number_and_the_old_one_is_closed(self) -> None:
        order = after(an_order(), self.jsapi, self.native)

        assert [p.lease_until_ms for p in order.payments] == [0, NOW_MS + LEASE_MS]
        assert being_closed(order) == {attempt_no(1)}

    def test_a_friend_who_comes_back_to_the_first_way_is_not_closed_under_his_hands(self) -> None:
        order = after(an_order(), self.jsapi, self.native, self.jsapi)

        assert len(order.payments) == 2
        assert [p.lease_until_ms for p in order.payments] == [NOW_MS + LEASE_MS, 0]
        assert being_closed(order) == {attempt_no(2)}
