"""Payments begun outside WeChat: who began one is a guest, and who paid it is whoever held his phone at the code."""

import pytest

from server.domain.events import GUEST, PaymentStarted, Person, TradeType
from server.domain.order import MAX_ATTEMPTS, MAX_GUEST_ATTEMPTS
from server.domain.public_order import public_order
from server.errors import TooManyAttempts
from tests.builders import a_person, after, an_order, attempt_no, paid, started

GUEST_ID = f"{GUEST}abc"


def begun(guest: str = GUEST_ID, trade_type: TradeType = TradeType.NATIVE, *, lease_ms: int = 0) -> PaymentStarted:
    return PaymentStarted(payer=Person(guest, ""), trade_type=trade_type, client_ip="203.0.113.7", lease_ms=lease_ms)


class TestWhoPaid:
    def test_a_code_is_paid_by_whom_wechat_names_and_stays_in_sight_of_who_began_it(self) -> None:
        order = after(an_order(), begun(), paid(payer=a_person("小明")))

        for openid in (GUEST_ID, a_person("小明").openid):
            [payment] = public_order(order, openid).payments
            assert (payment.mine, payment.payer.name, payment.out_trade_no) == (True, "小明", attempt_no())
            assert public_order(order, openid).my_role == "payer"
        [payment] = public_order(order, "openid-of-nobody").payments
        assert (payment.mine, payment.out_trade_no, payment.trade_type) == (False, None, None)
        assert order.entries[2].name == "小明"

    def test_a_payer_nobody_knows_has_no_name(self) -> None:
        order = after(an_order(), begun(), paid(openid="openid-of-a-stranger"))

        assert order.payments[0].payer == Person("openid-of-a-stranger", "")

    def test_a_friend_who_pays_his_own_code_is_its_payer_as_before(self) -> None:
        native = started(trade_type=TradeType.NATIVE)

        order = after(an_order(), native, paid(openid=a_person().openid))

        assert (order.payments[0].payer, order.payments[0].begun_by) == (a_person(), "")

    def test_an_app_knows_its_user_by_another_openid_and_keeps_its_own_word(self) -> None:
        order = after(an_order(), started(trade_type=TradeType.APP), paid(openid="openid-in-the-app"))

        assert order.payments[0].payer == a_person()

    def test_told_again_by_another_name_it_is_the_same_payment(self) -> None:
        order = after(an_order(), begun(), paid(payer=a_person("小明")))

        assert after(order, paid(payer=a_person("小明"))) is order

    def test_the_initiator_who_scans_the_code_himself_gets_no_message(self) -> None:
        order = an_order()

        order = after(order, begun(), paid(payer=order.initiator))

        assert not [effect for effect in order.effects if effect.kind == "tell_initiator"]


def test_guests_leave_room_for_friends() -> None:
    order = after(an_order(), *(begun(f"{GUEST}{n}") for n in range(MAX_GUEST_ATTEMPTS)))

    with pytest.raises(TooManyAttempts):
        after(order, begun(f"{GUEST}one more"))
    after(order, *(started(f"朋友{n}", lease_ms=0) for n in range(MAX_ATTEMPTS - MAX_GUEST_ATTEMPTS)))
