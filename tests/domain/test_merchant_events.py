"""What the merchant's server hears of an order, and in which order."""

from msgspec.structs import replace

from server.domain.document import Order
from server.domain.effects import EffectKind
from server.domain.events import CloseRequested, RefundState
from server.domain.merchant_events import event_id_of
from tests.builders import (
    NOW_MS,
    ORDER_ID,
    after,
    an_order,
    attempt_no,
    paid,
    refund_asked,
    refund_is,
    refund_no,
    started,
)


def heard(order: Order) -> list[tuple[str, str]]:
    """Return what waits to be told: the event's id behind the order's, and what it says."""
    return [
        (event_id_of(order, effect).removeprefix(ORDER_ID), effect.about)
        for effect in order.effects
        if effect.kind is EffectKind.WEBHOOK
    ]


def test_a_paid_and_refunded_order_tells_each_event_once_under_rising_ids() -> None:
    order = after(an_order(), started(), paid(), paid(), refund_asked())
    order = after(
        order, refund_is(RefundState.ABNORMAL), refund_is(RefundState.SUCCESS), refund_is(RefundState.SUCCESS)
    )

    assert heard(order) == [
        ("E00001", f"payment.paid:{attempt_no()}"),
        ("E00002", "order.paid"),
        ("E00003", f"refund.abnormal:{refund_no()}"),
        ("E00004", f"refund.success:{refund_no()}"),
        ("E00005", "order.refunded"),
    ]


def test_closing_tells_of_the_close_before_the_money_goes_back() -> None:
    order = after(an_order(50, 50), started(), paid(amount=50), CloseRequested(), refund_is(RefundState.SUCCESS))

    assert [about for _, about in heard(order)] == [
        f"payment.paid:{attempt_no()}",
        "order.closed",
        f"refund.success:{refund_no()}",
    ]


def test_an_order_of_which_nobody_is_to_be_told_says_nothing() -> None:
    order = after(
        replace(an_order(), tells_merchant=False), started(), paid(), refund_asked(), refund_is(RefundState.SUCCESS)
    )

    assert (heard(order), order.merchant_events) == ([], 0)


class TestARefundAskedForUnderAName:
    def test_is_asked_for_once_however_often_the_request_comes(self) -> None:
        order = after(an_order(), started(), paid())
        asked = replace(refund_asked(1, 30), asked_by="a")

        order = after(order, asked)

        assert after(order, asked, now_ms=NOW_MS + 9) is order
        assert [refund.amount for refund in order.payments[0].refunds] == [30]

    def test_leaves_room_for_another_part_under_another_name(self) -> None:
        order = after(an_order(), started(), paid())
        order = after(order, *(replace(refund_asked(1, 30), asked_by=name) for name in "ab"))

        assert [refund.amount for refund in order.payments[0].refunds] == [30, 30]

    def test_of_the_whole_order_asks_no_second_time_for_what_came_later(self) -> None:
        order = after(an_order(60, 40), started(), started("小红"), paid(1, amount=60), paid(2, amount=40))
        asked = replace(refund_asked(amount=70), asked_by="a")
        order = after(order, asked)

        assert after(order, asked) is order
        assert [r.amount for p in order.payments for r in p.refunds] == [60, 10]
