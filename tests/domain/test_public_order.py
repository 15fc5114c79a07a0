"""What each person may see of an order."""

import msgspec
import pytest

from server.domain.document import Order, OrderState
from server.domain.events import PaymentRewarded, RefundReason, RefundState, TradeState
from server.domain.public_order import FRIEND, INITIATOR, PublicPerson, payers_of, public_order, viewer_key
from tests.builders import (
    EXPIRES_AT_MS,
    LEASE_MS,
    NOW_MS,
    ORDER_ID,
    a_person,
    after,
    an_order,
    attempt_no,
    paid,
    refund_asked,
    refund_is,
    refund_no,
    started,
)

INITIATOR_OPENID = an_order().initiator.openid
PAYER_OPENID = a_person("小明").openid


def a_half_paid_order() -> Order:
    """Return an order of 60 + 40 fen: 小明 paid the 60, 小红 is paying the 40."""
    return after(an_order(60, 40, note="快点"), started("小明"), started("小红"), paid(1, amount=60))


class TestWhatEverybodySees:
    def test_the_order_and_how_far_it_has_come(self) -> None:
        order = a_half_paid_order()

        seen = public_order(order, INITIATOR_OPENID)

        assert (seen.order_id, seen.title, seen.note) == (ORDER_ID, order.title, "快点")
        assert (seen.amount, seen.shares, seen.share_amounts) == (100, 2, (60, 40))
        assert (seen.paid_shares, seen.paid_amount) == (1, 60)
        assert (seen.state, seen.rev, seen.paid_at_ms) == (OrderState.OPEN, order.rev, None)
        assert (seen.created_at_ms, seen.expires_at_ms) == (NOW_MS, EXPIRES_AT_MS)
        assert seen.initiator == PublicPerson("阿花", order.initiator.avatar)
        assert [event.kind for event in seen.events] == ["created", "paying", "paying", "paid"]

    def test_who_paid_and_who_is_paying(self) -> None:
        payments = public_order(a_half_paid_order(), INITIATOR_OPENID).payments

        assert [(p.payer.name, p.amount, p.share, p.trade_state) for p in payments] == [
            ("小明", 60, 0, TradeState.SUCCESS),
            ("小红", 40, 1, TradeState.NOTPAY),
        ]
        assert [(p.paid_at_ms, p.lease_until_ms) for p in payments] == [(NOW_MS, 0), (None, NOW_MS + LEASE_MS)]

    @pytest.mark.parametrize("openid", [INITIATOR_OPENID, PAYER_OPENID, "openid-of-a-stranger", ""])
    def test_nobody_is_shown_an_openid_an_address_a_transaction_or_what_the_server_has_still_to_do(
        self, openid: str
    ) -> None:
        seen = msgspec.json.encode(public_order(a_half_paid_order(), openid)).decode()

        for secret in ("openid", "203.0.113.7", "4200", "effects", "reward"):
            assert secret not in seen


class TestPoints:
    @pytest.mark.parametrize(("openid", "points"), [(INITIATOR_OPENID, 10), (PAYER_OPENID, 5), ("a-stranger", 0)])
    def test_each_is_told_what_the_payment_earned_himself(self, openid: str, points: int) -> None:
        order = after(an_order(), started("小明"), paid(1))
        rewarded = PaymentRewarded(
            key=f"reward:{attempt_no(1)}", out_trade_no=attempt_no(1), initiator_points=10, payer_points=5
        )

        assert [p.my_points for p in public_order(after(order, rewarded), openid).payments] == [points]

    def test_points_that_were_taken_back_are_gone(self) -> None:
        order = after(an_order(), started("小明"), paid(1))
        number = attempt_no(1)
        granted = PaymentRewarded(key=f"reward:{number}", out_trade_no=number, initiator_points=10)
        order = after(order, granted, refund_asked(), refund_is(RefundState.SUCCESS, 1))
        taken_back = PaymentRewarded(key=f"take_back_reward:{refund_no(1)}", out_trade_no=number)

        order = after(order, taken_back)

        assert [p.my_points for p in public_order(order, INITIATOR_OPENID).payments] == [0]
        assert after(order, taken_back) is order


class TestWhoLooks:
    @pytest.mark.parametrize(
        ("openid", "role", "key"),
        [
            (INITIATOR_OPENID, "initiator", INITIATOR),
            (PAYER_OPENID, "payer", PAYER_OPENID),
            ("openid-of-a-stranger", "friend", FRIEND),
        ],
    )
    def test_a_viewer_has_one_role(self, openid: str, role: str, key: str) -> None:
        order = a_half_paid_order()

        assert public_order(order, openid).my_role == role
        assert viewer_key(order, openid, payers_of(order)) == key

    def test_only_the_payer_himself_and_the_initiator_are_told_a_number(self) -> None:
        order = a_half_paid_order()

        mine = public_order(order, PAYER_OPENID).payments
        assert [(p.mine, p.out_trade_no) for p in mine] == [(True, attempt_no(1)), (False, None)]
        brought = public_order(order, INITIATOR_OPENID).payments
        assert [(p.mine, p.out_trade_no) for p in brought] == [(False, attempt_no(1)), (False, attempt_no(2))]
        theirs = public_order(order, "openid-of-a-stranger").payments
        assert [(p.mine, p.out_trade_no) for p in theirs] == [(False, None), (False, None)]

    def test_an_initiator_who_pays_himself_stays_the_initiator_and_knows_his_payment(self) -> None:
        seen = public_order(after(an_order(), started("阿花")), INITIATOR_OPENID)

        assert (seen.my_role, seen.payments[0].mine) == ("initiator", True)

    def test_two_friends_without_an_attempt_see_the_same_bytes(self) -> None:
        order = a_half_paid_order()

        one, other = (msgspec.json.encode(public_order(order, openid)) for openid in ("openid-1", "openid-2"))
        assert one == other


class TestRefunds:
    def test_a_payment_that_stays_has_no_refund(self) -> None:
        assert public_order(after(an_order(), started(), paid()), PAYER_OPENID).payments[0].refund is None

    def test_second_money_says_why_it_goes_back(self) -> None:
        order = after(an_order(), started("小红", lease_ms=0), started("小明"), paid(1), paid(2))

        refund = public_order(order, PAYER_OPENID).payments[1].refund
        assert refund is not None
        assert (refund.amount, refund.reason, refund.state) == (100, RefundReason.SECOND_MONEY, RefundState.DUE)

    @pytest.mark.parametrize(
        ("states", "expected"),
        [
            ((RefundState.SUCCESS, RefundState.DUE), RefundState.DUE),
            ((RefundState.SUCCESS, RefundState.PROCESSING), RefundState.PROCESSING),
            ((RefundState.ABNORMAL, RefundState.SUCCESS), RefundState.ABNORMAL),
            ((RefundState.PROCESSING, RefundState.ABNORMAL), RefundState.ABNORMAL),
            ((RefundState.PROCESSING, RefundState.CLOSED), RefundState.ABNORMAL),
            ((RefundState.SUCCESS, RefundState.SUCCESS), RefundState.SUCCESS),
        ],
    )
    def test_several_refunds_of_one_payment_are_told_as_the_one_furthest_from_done(
        self, states: tuple[RefundState, RefundState], expected: RefundState
    ) -> None:
        order = after(an_order(), started(), paid(), refund_asked(1, 30), refund_asked(1, 20))
        for number, state in enumerate(states, start=1):
            order = after(order, refund_is(state, 1, number))

        refund = public_order(order, PAYER_OPENID).payments[0].refund
        assert refund is not None
        assert (refund.state, refund.amount) == (expected, 50)
