"""Our orders against WeChat's bill: each difference is found, by its name, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace as changed

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from server.domain.bill import BillDay, BillRow
from server.domain.document import Order, Payment, Refund
from server.domain.events import RefundAskedAgain, RefundSettledByHand, RefundState, TradeState
from server.domain.money import Fen
from server.domain.reconcile import Cure, Difference, Finding, compare, set_apart, unknown
from tests.builders import (
    NOW_MS,
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

DAY = BillDay.of(NOW_MS)


def a_payment_row(payment: Payment, **changes: object) -> BillRow:
    """Return how WeChat books a payment of ours, paid or not, with some fields changed."""
    row = BillRow(
        traded_at_ms=NOW_MS,
        appid="wxd930ea5d5a258f4f",
        mch_id="10000100",
        transaction_id=payment.transaction_id or "4200000100000",
        out_trade_no=payment.out_trade_no,
        openid=payment.payer.openid,
        trade_type="JSAPI",
        trade_state="SUCCESS",
        fee_type="CNY",
        settled=payment.amount,
        amount=payment.amount,
        refund_id="",
        out_refund_no="",
        refund_settled=Fen(0),
        refund_amount=Fen(0),
        refund_status="",
        goods="",
    )
    return changed(row, **changes)  # type: ignore[arg-type]


def a_refund_row(payment: Payment, refund: Refund, **changes: object) -> BillRow:
    row = a_payment_row(
        payment,
        trade_state="REFUND",
        settled=Fen(0),
        amount=Fen(0),
        refund_id=refund.refund_id or "5000000001",
        out_refund_no=refund.out_refund_no,
        refund_settled=refund.amount,
        refund_amount=refund.amount,
        refund_status=refund.state,
    )
    return changed(row, **changes)  # type: ignore[arg-type]


def an_open_order() -> Order:
    return after(an_order(), started())


def a_paid_order() -> Order:
    return after(an_open_order(), paid())


def a_refunded_order(state: RefundState = RefundState.SUCCESS) -> Order:
    """Return an order of which 30 of 100 fen are on their way back, as far as this."""
    order = after(a_paid_order(), refund_asked(1, 30))
    return order if state is RefundState.DUE else after(order, refund_is(state))


def bill_of(order: Order) -> list[BillRow]:
    """Return the rows of everything paid and refunded of this order."""
    payments = [p for p in order.payments if p.is_paid]
    refunds = [(p, r) for p in payments for r in p.refunds if r.state is not RefundState.DUE]
    return [*map(a_payment_row, payments), *(a_refund_row(p, r) for p, r in refunds)]


def differences(order: Order, *rows: BillRow, day: BillDay = DAY) -> list[Difference]:
    return [finding.difference for finding in compare(order, rows, day)]


class TestPayments:
    def test_that_both_sides_have_alike_do_not_differ(self) -> None:
        assert differences(a_paid_order(), *bill_of(a_paid_order())) == []

    def test_that_neither_side_has_do_not_differ(self) -> None:
        assert differences(an_open_order()) == []

    @pytest.mark.parametrize("before", [an_open_order(), after(an_open_order(), unpaid(1, TradeState.CLOSED))])
    def test_paid_there_and_not_here_are_asked_for(self, before: Order) -> None:
        (finding,) = compare(before, [a_payment_row(before.payments[0])], DAY)

        assert finding == Finding(
            difference=Difference.NOT_PAID_HERE,
            out_trade_no=attempt_no(),
            transaction_id="4200000100000",
            there=Fen(100),
        )
        assert (finding.cure, finding.order_id) == (Cure.QUERY_PAYMENT, before.order_id)

    def test_paid_here_and_not_there_need_a_person(self) -> None:
        (finding,) = compare(a_paid_order(), [], DAY)

        assert (finding.difference, finding.cure) == (Difference.NOT_IN_BILL, Cure.PERSON)
        assert (finding.here, finding.there) == (100, None)

    @pytest.mark.parametrize("days", [-1, 1])
    def test_of_another_day_are_not_missed_in_this_bill(self, days: int) -> None:
        assert differences(a_paid_order(), day=DAY.earlier(days)) == []

    @pytest.mark.parametrize(
        ("changes", "difference"),
        [
            ({"amount": 99}, Difference.OTHER_AMOUNT),
            ({"fee_type": "USD"}, Difference.OTHER_AMOUNT),
            ({"amount": None, "settled": 101}, Difference.OTHER_AMOUNT),
            ({"openid": "somebody-else"}, Difference.OTHER_PAYER),
            ({"transaction_id": "4200009"}, Difference.OTHER_TRANSACTION),
            ({"out_trade_no": attempt_no(2)}, Difference.OTHER_TRANSACTION),
            ({"out_trade_no": attempt_no(9), "transaction_id": "4200009"}, Difference.UNKNOWN_PAYMENT),
        ],
    )
    def test_that_differ_are_named_and_need_a_person(self, changes: dict[str, object], difference: Difference) -> None:
        order = after(an_order(100, 100), started(), paid(), started("老王"))
        row = a_payment_row(order.payments[0], **changes)

        findings = [f for f in compare(order, [row], DAY) if f.difference is not Difference.NOT_IN_BILL]

        assert [(f.difference, f.cure) for f in findings] == [(difference, Cure.PERSON)]

    def test_a_coupon_makes_no_difference_in_a_bill_that_tells_only_what_was_settled(self) -> None:
        order = a_paid_order()

        assert differences(order, a_payment_row(order.payments[0], amount=None, settled=Fen(90))) == []

    def test_one_number_with_another_transaction_is_one_difference_not_two(self) -> None:
        order = a_paid_order()

        assert differences(order, a_payment_row(order.payments[0], transaction_id="4200009")) == [
            Difference.OTHER_TRANSACTION
        ]

    def test_an_amount_of_an_attempt_that_is_not_paid_here_is_never_settled_if_it_is_another(self) -> None:
        order = an_open_order()

        assert differences(order, a_payment_row(order.payments[0], amount=Fen(1))) == [Difference.OTHER_AMOUNT]


class TestRefunds:
    @pytest.mark.parametrize("state", list(RefundState))
    def test_that_both_sides_have_alike_do_not_differ(self, state: RefundState) -> None:
        order = a_refunded_order(state)

        assert differences(order, *bill_of(order)) == []

    @pytest.mark.parametrize(
        ("here", "there", "difference"),
        [
            (RefundState.DUE, "PROCESSING", Difference.REFUND_BEHIND),
            (RefundState.DUE, "SUCCESS", Difference.REFUND_BEHIND),
            (RefundState.PROCESSING, "SUCCESS", Difference.REFUND_BEHIND),
            (RefundState.PROCESSING, "CHANGE", Difference.REFUND_BEHIND),
            (RefundState.ABNORMAL, "SUCCESS", Difference.REFUND_BEHIND),
            (RefundState.SUCCESS, "CHANGE", Difference.REFUND_OTHER_STATE),
            (RefundState.SUCCESS, "PROCESSING", None),  # it went on after the bill was written
            (RefundState.PROCESSING, "", None),
            (RefundState.CLOSED, "REFUNDCLOSE", None),
            (RefundState.CLOSED, "SUCCESS", Difference.REFUND_BEHIND),
        ],
    )
    def test_further_on_there_are_asked_after(
        self, here: RefundState, there: str, difference: Difference | None
    ) -> None:
        order = a_refunded_order(here)
        payment = order.payments[0]
        rows = [a_payment_row(payment), a_refund_row(payment, payment.refunds[0], refund_status=there)]

        assert differences(order, *rows) == ([difference] if difference else [])

    @pytest.mark.parametrize("there", ["SUCCESS", "REFUNDCLOSE"])
    @pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "under a new number"])
    def test_that_a_person_paid_another_way_may_not_arrive_there_too(self, there: str, *, by_hand: bool) -> None:
        deed = RefundSettledByHand(refund_no(), "in cash") if by_hand else RefundAskedAgain(refund_no())
        order = after(a_refunded_order(RefundState.CLOSED), deed)
        payment = order.payments[0]
        rows = [a_payment_row(payment), a_refund_row(payment, payment.refunds[0], refund_status=there)]

        findings = list(compare(order, rows, DAY))

        twice = [(Difference.REFUND_TWICE, Cure.PERSON)] if there == "SUCCESS" else []
        assert [(finding.difference, finding.cure) for finding in findings] == twice

    def test_here_and_not_there_are_asked_after(self) -> None:
        order = a_refunded_order()

        (finding,) = compare(order, [a_payment_row(order.payments[0])], DAY)

        assert (finding.difference, finding.cure) == (Difference.REFUND_NOT_IN_BILL, Cure.QUERY_REFUND)
        assert (finding.out_refund_no, finding.here) == (refund_no(), 30)

    @pytest.mark.parametrize("state", [RefundState.DUE, RefundState.ABNORMAL])
    def test_that_moved_no_money_are_not_missed(self, state: RefundState) -> None:
        order = a_refunded_order(state)

        assert differences(order, a_payment_row(order.payments[0])) == []

    @pytest.mark.parametrize(
        ("changes", "difference"),
        [
            ({"refund_amount": 31}, Difference.REFUND_OTHER_AMOUNT),
            ({"transaction_id": "4200009"}, Difference.OTHER_TRANSACTION),
            ({"out_refund_no": "FOREIGN"}, Difference.REFUND_UNKNOWN),
        ],
    )
    def test_that_differ_are_named_and_need_a_person(self, changes: dict[str, object], difference: Difference) -> None:
        order = a_refunded_order()
        payment = order.payments[0]
        rows = [a_payment_row(payment), a_refund_row(payment, payment.refunds[0], **changes)]

        findings = [f for f in compare(order, rows, DAY) if f.difference is not Difference.REFUND_NOT_IN_BILL]

        assert [(f.difference, f.cure) for f in findings] == [(difference, Cure.PERSON)]


class TestRows:
    def test_of_orders_nobody_here_knows_need_a_person(self) -> None:
        order = a_refunded_order()

        assert [(f.difference, f.there, f.cure) for f in unknown(bill_of(order))] == [
            (Difference.UNKNOWN_PAYMENT, 100, Cure.PERSON),
            (Difference.REFUND_UNKNOWN, 30, Cure.PERSON),
        ]

    def test_that_are_there_twice_are_compared_once_and_told(self) -> None:
        order = a_refunded_order()
        rows = bill_of(order)

        by_order, findings = set_apart([*rows, *rows])

        assert by_order == {order.order_id: rows}
        assert [(f.difference, f.out_refund_no) for f in findings] == [
            (Difference.DUPLICATE, ""),
            (Difference.DUPLICATE, refund_no()),
        ]

    def test_that_are_neither_payment_nor_refund_are_told(self) -> None:
        order = a_paid_order()
        cancelled = a_payment_row(order.payments[0], trade_state="REVOKED")

        by_order, findings = set_apart([cancelled, *bill_of(order)])

        assert by_order == {order.order_id: bill_of(order)}
        assert [f.difference for f in findings] == [Difference.UNKNOWN_ROW]


def a_lived_order(shares: int, friends: int, asked: int, states: list[RefundState]) -> Order:
    """Return an order of so many shares which so many friends paid, some of it asked back and on its way."""
    order = an_order(*[100] * shares)
    for number in range(min(shares, friends)):
        order = after(order, started(f"友{number}", lease_ms=0))
    for number in range(min(shares, friends)):
        order = after(order, paid(number + 1))
    if order.paid_at_ms and asked:
        order = after(order, refund_asked(1, asked))
        order = after(order, *(refund_is(state) for state in states))
    return order


orders = st.builds(
    a_lived_order,
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(0, 100),
    st.lists(st.sampled_from([RefundState.PROCESSING, RefundState.ABNORMAL, RefundState.SUCCESS]), max_size=3),
)

Spoil = Callable[[BillRow], list[BillRow]]
SPOILS: dict[str, Spoil] = {
    "missing": lambda row: [],
    "twice": lambda row: [row, row],
    "amount": lambda row: [
        changed(row, refund_amount=Fen((row.refund_amount or 0) + 1))
        if row.out_refund_no
        else changed(row, amount=Fen((row.amount or 0) + 1))
    ],
    "transaction": lambda row: [changed(row, transaction_id="4200009")],
    "number": lambda row: [
        changed(row, out_refund_no="FOREIGN")
        if row.out_refund_no
        else changed(row, out_trade_no=f"{row.out_trade_no[:26]}999", transaction_id="4200009")
    ],
}


def found_in(order: Order, rows: list[BillRow]) -> list[Finding]:
    by_order, findings = set_apart(rows)
    findings += compare(order, by_order.pop(order.order_id, ()), DAY)
    for others in by_order.values():
        findings += unknown(others)
    return findings


@given(orders)
def test_an_order_and_the_bill_of_it_never_differ(order: Order) -> None:
    assert found_in(order, bill_of(order)) == []


@given(orders.filter(bill_of), st.data())
def test_whatever_is_done_to_one_row_is_found_and_names_that_payment_alone(order: Order, data: st.DataObject) -> None:
    rows = bill_of(order)
    place = data.draw(st.integers(0, len(rows) - 1))
    spoil = data.draw(st.sampled_from(sorted(SPOILS)))
    row = rows[place]
    failed = {r.out_refund_no for p in order.payments for r in p.refunds if r.state is RefundState.ABNORMAL}
    if spoil == "missing" and row.out_refund_no in failed:
        return  # it moved no money

    findings = found_in(order, [*rows[:place], *SPOILS[spoil](row), *rows[place + 1 :]])

    assert findings
    named = {row.out_trade_no, f"{row.out_trade_no[:26]}999"}
    assert {finding.out_trade_no for finding in findings} <= named


@given(orders.filter(bill_of))
def test_what_a_bill_says_of_an_order_before_it_was_paid_here_is_all_asked_for(order: Order) -> None:
    forgotten = tuple(
        replace(p, transaction_id="", trade_state=TradeState.NOTPAY, share=0, refunds=()) for p in order.payments
    )
    payments = [row for row in bill_of(order) if not row.out_refund_no]

    findings = found_in(replace(order, payments=forgotten), payments)

    assert [f.difference for f in findings] == [Difference.NOT_PAID_HERE] * len(payments)
    assert {f.cure for f in findings} == {Cure.QUERY_PAYMENT}
