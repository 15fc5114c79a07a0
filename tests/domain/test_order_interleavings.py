"""Two friends pay, the order expires, somebody closes it: every order of these events, one by one."""

from collections import Counter
from itertools import permutations

import pytest
from msgspec.structs import replace

from server.domain.document import Order, OrderState, balance
from server.domain.events import CloseRequested, Event, OrderExpired, PaymentConfirmed, RefundState
from server.domain.order import apply
from server.errors import OrderError
from tests.builders import EXPIRES_AT_MS, after, an_order, paid, refund_is, started, unpaid

STARTS = (started("小明", lease_ms=0), started("小红", lease_ms=0))
MONEY = (paid(1, amount=50), paid(2, amount=50))
ENDS = (OrderExpired(), CloseRequested())


def happen(order: Order, event: Event, *, now_ms: int) -> Order:
    try:
        return apply(order, event, now_ms=now_ms)
    except OrderError:
        return order


def settled(order: Order) -> Order:
    """Return the order once WeChat has closed every attempt nobody paid and every refund has arrived."""
    for number, payment in enumerate(order.payments, start=1):
        if payment.is_open:
            order = after(order, unpaid(number))
    for number, payment in enumerate(order.payments, start=1):
        for place in range(1, len(payment.refunds) + 1):
            order = after(order, refund_is(RefundState.SUCCESS, number, place))
    return order


def assert_settled(order: Order, took: dict[str, int]) -> None:
    """Hold a settled order against what WeChat really took (fen by transaction)."""
    money = balance(order)
    received, kept = sum(took.values()), order.amount if order.state is OrderState.PAID else 0
    assert order.state in (OrderState.PAID, OrderState.CLOSED)
    assert Counter(p.transaction_id for p in order.payments if p.is_paid) == Counter(list(took))
    assert (money.received, money.kept, money.refund_due, money.refunded) == (received, kept, 0, received - kept)
    assert {effect.kind.value for effect in order.effects} <= {
        "reward",
        "take_back_reward",
        "webhook",
        "tell_initiator",
    }


@pytest.mark.parametrize("shares", [(50,), (50, 50), (50, 30)], ids=str)
@pytest.mark.parametrize("now_ms", [EXPIRES_AT_MS - 1, EXPIRES_AT_MS], ids=["just before the end", "at the end"])
def test_money_and_ends_in_every_order_settle_to_the_fen(shares: tuple[int, ...], now_ms: int) -> None:
    events: list[Event] = [*MONEY, *ENDS, unpaid(1), unpaid(2), MONEY[0]]
    for sequence in permutations(events):
        order = after(an_order(*shares), *STARTS)
        for event in sequence:
            order = happen(order, event, now_ms=now_ms)

        assert_settled(settled(order), {money.transaction_id: 50 for money in MONEY})


@pytest.mark.parametrize("shares", [(50,), (50, 50), (50, 30)], ids=str)
def test_presses_money_and_ends_in_every_order_settle_to_the_fen(shares: tuple[int, ...]) -> None:
    """Here a friend may press only once the other one's money came, or after the order was closed."""
    events: list[Event] = [*STARTS, *MONEY, *ENDS]
    for sequence in permutations(events):
        order, took = an_order(*shares), dict[str, int]()
        for event in sequence:
            if not isinstance(event, PaymentConfirmed):
                order = happen(order, event, now_ms=EXPIRES_AT_MS - 1)
            elif (number := MONEY.index(event)) < len(order.payments):  # WeChat knows this attempt
                money = replace(event, amount=order.payments[number].amount)
                took[money.transaction_id] = money.amount
                order = after(order, money)

        assert_settled(settled(order), took)
