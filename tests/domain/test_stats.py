"""
The statistics against values worked out by hand, and against a slower way of counting.

The history, two days in Beijing, each order of 100 fen, valid for half an hour:

    day 1   A1 by 阿花   paid by 小明, notified 2.5 s after WeChat's success; nothing went back     kept
            A2 by 阿花   paid by 老王 on day 2, found by a query; all of it went back              paid
            A3 by 小红   link opened, nobody pressed pay; expired                                  opened
            A4 by 小刚   link taken by the initiator; expired                                      shared
            A5 by 小刚   nothing; expired                                                          created
    day 2   B1 by 阿花   小明 pressed pay and left; expired                                        started
            B2 by 小丽   paid by 小芳, notified 0.5 s after; kept                                   kept
            B3 by 小丽   still open when the statistics are made                                   created
"""

import math
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.day_stats import (
    DELAYS_MS,
    LAST_ATTEMPT_MS,
    Cohort,
    DayBook,
    DayStats,
    Funnel,
    Parked,
    Tally,
    TraceKind,
)
from server.domain.days import DAY_MS, day_after, day_start_ms
from server.domain.document import Order
from server.domain.events import (
    EffectParked,
    Evidence,
    OrderExpired,
    PaymentUnpaid,
    RefundProgressed,
    RefundRequested,
    RefundState,
    TradeState,
)
from server.domain.stats import delay, fission, report, success
from tests.builders import MINUTE_MS, a_person, after, started
from tests.domain.histories import paid, placed

DAY_1: Final = "2026-10-01"
DAY_2: Final = "2026-10-02"
NOON_1: Final = day_start_ms(DAY_1) + 12 * 60 * MINUTE_MS
NOON_2: Final = NOON_1 + DAY_MS
NOW_MS: Final = NOON_2 + 60 * MINUTE_MS
NO_TRACES: Final[frozenset[TraceKind]] = frozenset()


def refunded(order: Order, *, state: RefundState) -> Order:
    order = after(order, RefundRequested(), now_ms=NOW_MS)
    return after(order, RefundProgressed(out_refund_no=order.payments[0].refunds[0].out_refund_no, state=state))


def expired(order: Order) -> Order:
    order = after(order, OrderExpired(), now_ms=order.expires_at_ms)
    left = [PaymentUnpaid(payment.out_trade_no, TradeState.CLOSED) for payment in order.payments]
    return after(order, *left, now_ms=order.expires_at_ms)


def history() -> tuple[list[tuple[Order, frozenset[TraceKind]]], list[tuple[Order, frozenset[TraceKind]]]]:
    """Return the orders of both days with their traces."""
    a1 = paid(placed("阿花", NOON_1), "小明", at_ms=NOON_1, after_ms=2500)
    a2 = placed("阿花", NOON_1 + 12 * 60 * MINUTE_MS - 60_000)
    a2 = paid(a2, "老王", at_ms=a2.created_at_ms + 120_000, after_ms=9000, evidence=Evidence.QUERY)
    b1 = after(placed("阿花", NOON_2), started("小明"), now_ms=NOON_2)
    day_1 = [
        (a1, frozenset({TraceKind.OPENED})),
        (refunded(a2, state=RefundState.SUCCESS), NO_TRACES),
        (expired(placed("小红", NOON_1 + 3)), frozenset({TraceKind.OPENED})),
        (expired(placed("小刚", NOON_1 + 4)), frozenset({TraceKind.SHARED})),
        (expired(placed("小刚", NOON_1 + 5)), NO_TRACES),
    ]
    day_2 = [
        (expired(b1), NO_TRACES),
        (paid(placed("小丽", NOON_2 + 1), "小芳", at_ms=NOON_2 + 1, after_ms=500), NO_TRACES),
        (placed("小丽", NOW_MS - 1), NO_TRACES),
    ]
    return day_1, day_2


def rolled_up() -> list[DayStats]:
    """Return both days' roll-ups; 小明 and 小芳 were first seen on the day they paid, 老王 long before."""
    days = []
    for day, orders, newcomers in zip((DAY_1, DAY_2), history(), (1, 1), strict=True):
        book = DayBook(day, as_of_ms=NOW_MS)
        for order, traces in orders:
            book.add(order, traces)
        before = {a_person("阿花").openid: DAY_1} if day == DAY_2 else {}
        days.append(book.result(days_before=before, newcomers=newcomers))
    return days


class TestTheHistory:
    def test_each_step_of_the_funnel_counts_who_came_so_far(self) -> None:
        both = report(rolled_up(), first=DAY_1, last=DAY_2)

        assert both.funnel == Funnel(created=8, shared=6, opened=5, started=4, paid=3, kept=2)
        assert [day.funnel for day in both.days] == [
            Funnel(created=5, shared=4, opened=3, started=2, paid=2, kept=1),
            Funnel(created=3, shared=2, opened=2, started=2, paid=1, kept=1),
        ]

    def test_p_is_by_cohort_over_what_is_decided_gross_and_net(self) -> None:
        both = report(rolled_up(), first=DAY_1, last=DAY_2)

        assert [(day.success.decided, day.success.paid, day.success.kept) for day in both.days] == [
            (5, 2, 1),
            (2, 1, 1),
        ]
        assert [(day.success.gross, day.success.net) for day in both.days] == [(0.4, 0.2), (0.5, 0.5)]
        assert (both.success.gross, both.success.net) == (3 / 7, 2 / 7)  # B3 is not old enough

    def test_k_is_of_different_people_over_the_whole_window(self) -> None:
        days = rolled_up()

        # 阿花, 小红, 小刚, 小丽; 阿花 is one person though she asked on both days.
        assert report(days, first=DAY_1, last=DAY_2).fission == fission(seed=4, new=2)
        assert report(days, first=DAY_1, last=DAY_1).fission == fission(seed=3, new=1)
        assert report(days, first=DAY_2, last=DAY_2).fission == fission(seed=2, new=1)
        assert fission(seed=4, new=2).k == 0.5  # ln 2 / ln 4
        assert fission(seed=4, new=2).ratio == 0.5

    def test_payments_are_by_the_day_of_their_success(self) -> None:
        both = report(rolled_up(), first=DAY_1, last=DAY_2)

        assert [day.payments for day in both.days] == [Tally(1, 100), Tally(2, 200)]
        # A2 was made the day before the window and paid in it.
        assert report(rolled_up(), first=DAY_2, last=DAY_2).days[0].payments == Tally(2, 200)

    def test_money_evidence_delay_and_refunds_add_up(self) -> None:
        both = report(rolled_up(), first=DAY_1, last=DAY_2)

        assert both.kept_amount == 200
        assert both.evidence == {Evidence.NOTIFY: 2, Evidence.QUERY: 1}
        assert both.refunds == {RefundState.SUCCESS: Tally(1, 100)}
        assert (both.delay.count, both.delay.p50_ms, both.delay.p95_ms) == (2, 1000, 3000)

    def test_a_parked_effect_is_named(self) -> None:
        order = refunded(history()[0][0][0], state=RefundState.PROCESSING)
        key = next(effect.key for effect in order.effects if effect.key.startswith("query_refund"))
        book = DayBook(DAY_1, as_of_ms=NOW_MS)
        book.add(after(order, EffectParked(key, "TRADE_OVERDUE")), NO_TRACES)

        found = report([book.result(days_before={}, newcomers=0)], first=DAY_1, last=DAY_1)

        assert found.parked == (Parked(order.order_id, key, "TRADE_OVERDUE", 0),)
        assert found.parked_count == 1


class TestNotEnoughData:
    @pytest.mark.parametrize(("seed", "new", "ratio"), [(0, 0, None), (0, 5, None), (1, 5, 5.0), (9, 0, 0.0)], ids=str)
    def test_k_is_not_said(self, seed: int, new: int, ratio: float | None) -> None:
        assert (fission(seed=seed, new=new).k, fission(seed=seed, new=new).ratio) == (None, ratio)

    def test_one_new_person_is_enough_to_say_zero(self) -> None:
        assert fission(seed=2, new=1).k == 0

    def test_p_of_nobody_is_not_said(self) -> None:
        assert (success(Cohort()).gross, success(Cohort()).net) == (None, None)

    def test_a_window_without_orders_says_nothing_and_has_all_its_days(self) -> None:
        empty = report([], first=DAY_1, last=DAY_2)

        assert (empty.success.gross, empty.fission.k, empty.delay.p99_ms, empty.as_of_ms) == (None, None, None, None)
        assert [day.day for day in empty.days] == [DAY_1, DAY_2]

    def test_an_order_paid_at_once_counts_no_earlier_than_one_that_is_never_paid(self) -> None:
        quick = paid(placed("阿花", NOON_1), "小明", at_ms=NOON_1, after_ms=0)
        book = DayBook(DAY_1, as_of_ms=quick.expires_at_ms + LAST_ATTEMPT_MS - 1)
        book.add(quick, NO_TRACES)

        assert book.result(days_before={}, newcomers=0).cohort == Cohort()


def test_delays_beyond_the_last_class_have_no_upper_end() -> None:
    classes = [0] * len(DELAYS_MS) + [1]

    assert (delay(classes).count, delay(classes).p50_ms) == (1, None)


def test_a_clock_behind_wechats_is_a_delay_of_the_shortest_class() -> None:
    book = DayBook(DAY_1, as_of_ms=NOW_MS)
    book.add(paid(placed("阿花", NOON_1), "小明", at_ms=NOON_1, after_ms=-700), NO_TRACES)

    assert book.result(days_before={}, newcomers=0).delays[0] == 1


@given(
    visits=st.lists(st.tuples(st.integers(0, 6), st.sampled_from("abcd")), max_size=40),
    window=st.tuples(st.integers(0, 6), st.integers(0, 6)),
)
def test_seeds_of_days_add_up_to_the_different_people_of_any_window(
    visits: Sequence[tuple[int, str]], window: tuple[int, int]
) -> None:
    first, last = sorted(window)
    rollups = []
    for day in range(7):
        book = DayBook(day_after(DAY_1, day), as_of_ms=NOW_MS)
        for on, who in visits:
            if on == day:
                book.add(placed(who, NOON_1 + day * DAY_MS), NO_TRACES)
        before = {
            a_person(who).openid: day_after(DAY_1, max(earlier))
            for who in "abcd"
            if (earlier := [on for on, visitor in visits if visitor == who and on < day])
        }
        rollups.append(book.result(days_before=before, newcomers=0))

    found = report(rollups, first=day_after(DAY_1, first), last=day_after(DAY_1, last))

    assert found.fission.seed == len({who for on, who in visits if first <= on <= last})


@given(st.lists(st.integers(0, 20), min_size=len(DELAYS_MS) + 1, max_size=len(DELAYS_MS) + 1))
def test_half_of_the_delays_lie_within_the_median(classes: list[int]) -> None:
    found = delay(classes)

    within = sum(
        count for end_ms, count in zip(DELAYS_MS, classes, strict=False) if end_ms <= (found.p50_ms or math.inf)
    )
    assert within * 2 >= sum(classes) or found.p50_ms is None
