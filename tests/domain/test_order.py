"""The table of transitions itself: one test a row, and every missing pair is refused."""

from typing import Final, get_args

import pytest

from server.domain.document import Order, OrderState
from server.domain.events import (
    CloseRequested,
    EffectFinished,
    EffectParked,
    EffectPostponed,
    EffectResumed,
    Event,
    LeaseReleased,
    NumberRefused,
    OrderExpired,
    OrderWatched,
    PaymentConfirmed,
    PaymentRewarded,
    PaymentStarted,
    PaymentUnpaid,
    RefundAskedAgain,
    RefundProgressed,
    RefundReported,
    RefundRequested,
    RefundSettledByHand,
    RefundState,
    TradeState,
    TradeType,
)
from server.domain.order import TRANSITIONS, apply
from server.errors import IllegalTransition, OrderNotPayable
from tests.builders import (
    EXPIRES_AT_MS,
    NOW_MS,
    after,
    an_order,
    attempt_no,
    paid,
    refund_asked,
    refund_is,
    refund_no,
    released,
    started,
    unpaid,
)

OPEN, PAID, CLOSING, CLOSED, REFUNDED = (
    OrderState.OPEN,
    OrderState.PAID,
    OrderState.CLOSING,
    OrderState.CLOSED,
    OrderState.REFUNDED,
)

WAITING: Final = f"webhook:payment.paid:{attempt_no(1)}"

# An order of 100 + 50 fen. 小明 paid the 100, 小红 paid them once more and is owed them back; 小刚 and 小美 both
# pressed pay for the 50. So in each state money can still come, a refund that WeChat closed is owed, and effects wait.
STORY: Final = (
    *(started("小明", lease_ms=0), started("小红", lease_ms=0), paid(1), paid(2)),
    *(started("小刚", lease_ms=0), started("小美"), refund_is(RefundState.CLOSED, 2)),
)
REFUNDS: Final = (refund_asked(), refund_is(RefundState.SUCCESS, 1), refund_is(RefundState.SUCCESS, 3))
HISTORIES: Final[dict[OrderState, tuple[Event, ...]]] = {
    OPEN: STORY,
    CLOSING: (*STORY, CloseRequested()),
    CLOSED: (*STORY, CloseRequested(), unpaid(3), unpaid(4)),
    PAID: (*STORY, paid(3, amount=50)),
    REFUNDED: (*STORY, paid(3, amount=50), *REFUNDS),
}

EVENTS: Final[dict[type[Event], Event]] = {
    PaymentStarted: started("小美", trade_type=TradeType.NATIVE),
    LeaseReleased: released(4),
    OrderWatched: OrderWatched(an_order().initiator.openid),
    NumberRefused: NumberRefused(attempt_no(4)),
    PaymentConfirmed: paid(4, amount=50),
    PaymentUnpaid: unpaid(4, TradeState.USERPAYING),
    OrderExpired: OrderExpired(),
    CloseRequested: CloseRequested(),
    RefundRequested: refund_asked(),
    RefundProgressed: refund_is(RefundState.SUCCESS, 2),
    RefundReported: RefundReported(refund_no(2)),
    RefundAskedAgain: RefundAskedAgain(refund_no(2)),
    RefundSettledByHand: RefundSettledByHand(refund_no(2), "paid in cash"),
    EffectFinished: EffectFinished(WAITING),
    PaymentRewarded: PaymentRewarded(key=WAITING, out_trade_no=attempt_no(1), initiator_points=10),
    EffectPostponed: EffectPostponed(key=WAITING, due_at_ms=NOW_MS + 1, reason="timeout"),
    EffectParked: EffectParked(WAITING, "gone"),
    EffectResumed: EffectResumed(WAITING),
}

UNCHANGED: Final = "the very same object"
Outcome = OrderState | str | type[Exception]

# A state: `rev` rises by one and the order is in this state. An exception: it is refused.
ROWS: Final[dict[tuple[OrderState, type[Event]], Outcome]] = {
    (OPEN, PaymentStarted): OPEN,
    (OPEN, LeaseReleased): OPEN,
    (OPEN, OrderWatched): UNCHANGED,  # nothing is old enough to be asked again
    (OPEN, NumberRefused): OPEN,
    (OPEN, PaymentConfirmed): PAID,
    (OPEN, PaymentUnpaid): OPEN,
    (OPEN, OrderExpired): CLOSING,
    (OPEN, CloseRequested): CLOSING,
    (OPEN, RefundProgressed): OPEN,
    (OPEN, RefundReported): OPEN,
    (OPEN, RefundAskedAgain): OPEN,
    (OPEN, RefundSettledByHand): OPEN,
    (OPEN, EffectFinished): OPEN,
    (OPEN, PaymentRewarded): OPEN,
    (OPEN, EffectPostponed): OPEN,
    (OPEN, EffectParked): OPEN,
    (OPEN, EffectResumed): OPEN,
    (CLOSING, PaymentStarted): OrderNotPayable,
    (CLOSING, LeaseReleased): UNCHANGED,
    (CLOSING, OrderWatched): UNCHANGED,
    (CLOSING, NumberRefused): CLOSING,
    (CLOSING, PaymentConfirmed): PAID,
    (CLOSING, PaymentUnpaid): CLOSING,
    (CLOSING, OrderExpired): UNCHANGED,
    (CLOSING, CloseRequested): UNCHANGED,
    (CLOSING, RefundProgressed): CLOSING,
    (CLOSING, RefundReported): CLOSING,
    (CLOSING, RefundAskedAgain): CLOSING,
    (CLOSING, RefundSettledByHand): CLOSING,
    (CLOSING, EffectFinished): CLOSING,
    (CLOSING, PaymentRewarded): CLOSING,
    (CLOSING, EffectPostponed): CLOSING,
    (CLOSING, EffectParked): CLOSING,
    (CLOSING, EffectResumed): CLOSING,
    (CLOSED, PaymentStarted): OrderNotPayable,
    (CLOSED, LeaseReleased): UNCHANGED,
    (CLOSED, OrderWatched): UNCHANGED,
    (CLOSED, NumberRefused): UNCHANGED,
    (CLOSED, PaymentConfirmed): CLOSED,
    (CLOSED, PaymentUnpaid): UNCHANGED,
    (CLOSED, OrderExpired): UNCHANGED,
    (CLOSED, CloseRequested): UNCHANGED,
    (CLOSED, RefundProgressed): CLOSED,
    (CLOSED, RefundReported): CLOSED,
    (CLOSED, RefundAskedAgain): CLOSED,
    (CLOSED, RefundSettledByHand): CLOSED,
    (CLOSED, EffectFinished): CLOSED,
    (CLOSED, PaymentRewarded): CLOSED,
    (CLOSED, EffectPostponed): CLOSED,
    (CLOSED, EffectParked): CLOSED,
    (CLOSED, EffectResumed): CLOSED,
    (PAID, PaymentStarted): OrderNotPayable,
    (PAID, LeaseReleased): UNCHANGED,
    (PAID, OrderWatched): UNCHANGED,
    (PAID, NumberRefused): PAID,
    (PAID, PaymentConfirmed): PAID,
    (PAID, PaymentUnpaid): PAID,
    (PAID, OrderExpired): UNCHANGED,
    (PAID, RefundRequested): PAID,
    (PAID, RefundProgressed): PAID,
    (PAID, RefundReported): PAID,
    (PAID, RefundAskedAgain): PAID,
    (PAID, RefundSettledByHand): PAID,
    (PAID, EffectFinished): PAID,
    (PAID, PaymentRewarded): PAID,
    (PAID, EffectPostponed): PAID,
    (PAID, EffectParked): PAID,
    (PAID, EffectResumed): PAID,
    (REFUNDED, PaymentStarted): OrderNotPayable,
    (REFUNDED, LeaseReleased): UNCHANGED,
    (REFUNDED, OrderWatched): UNCHANGED,
    (REFUNDED, NumberRefused): REFUNDED,
    (REFUNDED, PaymentConfirmed): REFUNDED,
    (REFUNDED, PaymentUnpaid): REFUNDED,
    (REFUNDED, OrderExpired): UNCHANGED,
    (REFUNDED, RefundRequested): UNCHANGED,
    (REFUNDED, RefundProgressed): REFUNDED,
    (REFUNDED, RefundReported): REFUNDED,
    (REFUNDED, RefundAskedAgain): REFUNDED,
    (REFUNDED, RefundSettledByHand): REFUNDED,
    (REFUNDED, EffectFinished): REFUNDED,
    (REFUNDED, PaymentRewarded): REFUNDED,
    (REFUNDED, EffectPostponed): REFUNDED,
    (REFUNDED, EffectParked): REFUNDED,
    (REFUNDED, EffectResumed): REFUNDED,
}

PAIRS: Final = [(state, event) for state in OrderState for event in get_args(Event)]


def _order(state: OrderState) -> Order:
    order = after(an_order(100, 50), *HISTORIES[state])
    assert order.state is state
    return order


def _name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def _now_ms(event: type[Event]) -> int:
    # An effect that is due already cannot be brought forward.
    return {OrderExpired: EXPIRES_AT_MS, EffectResumed: NOW_MS - 1}.get(event, NOW_MS)


def test_every_row_of_the_table_is_tested_here() -> None:
    assert set(ROWS) == set(TRANSITIONS)


@pytest.mark.parametrize(("state", "kind"), ROWS, ids=_name)
def test_a_row_does_what_the_table_says(state: OrderState, kind: type[Event]) -> None:
    order, expected = _order(state), ROWS[state, kind]

    if isinstance(expected, type):
        with pytest.raises(expected):
            apply(order, EVENTS[kind], now_ms=_now_ms(kind))
        return
    result = apply(order, EVENTS[kind], now_ms=_now_ms(kind))
    if expected == UNCHANGED:
        assert result is order
    else:
        assert (result.state, result.rev) == (expected, order.rev + 1)


@pytest.mark.parametrize(("state", "kind"), [pair for pair in PAIRS if pair not in ROWS], ids=_name)
def test_a_missing_pair_is_refused_by_name(state: OrderState, kind: type[Event]) -> None:
    order = _order(state)

    with pytest.raises(IllegalTransition) as refusal:
        apply(order, EVENTS[kind], now_ms=_now_ms(kind))
    assert (refusal.value.order_id, refusal.value.state, refusal.value.event) == (order.order_id, state, kind.__name__)


def test_money_has_a_row_in_every_state() -> None:
    assert {state for state, kind in TRANSITIONS if kind is PaymentConfirmed} == set(OrderState)


def test_a_new_order_is_open_at_rev_1_and_waits_for_its_expiry_only() -> None:
    order = an_order(60, 40)

    assert (order.state, order.rev, order.amount, order.payments) == (OPEN, 1, 100, ())
    assert order.due_at_ms == EXPIRES_AT_MS
