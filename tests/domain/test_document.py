"""The document: numbers WeChat accepts, JSON that comes back as it went, a story that stays short."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.domain.document import (
    MAX_ENTRIES,
    Balance,
    Order,
    balance,
    find_attempt,
    open_attempt_of,
    order_id_of,
)
from server.domain.events import CloseRequested, RefundState, TradeType
from server.domain.order import MAX_ATTEMPTS
from server.domain.refunds import MOST_PARTS
from server.errors import UnknownAttempt
from tests.builders import (
    EXPIRES_AT_MS,
    NOW_MS,
    ORDER_ID,
    a_person,
    after,
    an_order,
    attempt_no,
    paid,
    refund_asked,
    refund_is,
    released,
    started,
)


def an_order_with_a_past() -> Order:
    """Return an order in which every kind of value is filled in."""
    order = after(an_order(60, 40, note="谢谢🙏"), started("小明", lease_ms=0), started("小红", lease_ms=0))
    order = after(order, paid(1, amount=60), paid(2, amount=60), started("小刚"), paid(3, amount=40))
    return after(order, refund_asked(1, 10), refund_is(RefundState.SUCCESS, 1), refund_is(RefundState.PROCESSING, 2))


class TestNumbers:
    def test_the_last_attempt_an_order_may_have_and_its_refunds_have_numbers_wechat_accepts(self) -> None:
        order = an_order()
        for number in range(MAX_ATTEMPTS):
            order = after(order, started(f"friend {number}", lease_ms=0))
        order = after(order, paid(MAX_ATTEMPTS))
        for _ in range(MOST_PARTS - 1):
            order = after(order, refund_asked(MAX_ATTEMPTS, 1))
        order = after(order, refund_asked(MAX_ATTEMPTS))

        for payment in order.payments:
            assert re.fullmatch(r"[0-9A-Za-z_-]{6,32}", payment.out_trade_no)
            assert order_id_of(payment.out_trade_no) == ORDER_ID
        refund_numbers = [refund.out_refund_no for refund in order.payments[-1].refunds]
        assert len(set(refund_numbers)) == MOST_PARTS
        for refund_number in refund_numbers:
            assert re.fullmatch(r"[0-9A-Za-z_|*@-]{1,64}", refund_number)
            assert order_id_of(refund_number) == ORDER_ID

    def test_an_attempt_is_found_by_its_number_only(self) -> None:
        order = after(an_order(), started())

        assert find_attempt(order, attempt_no(1)) is order.payments[0]
        with pytest.raises(UnknownAttempt) as refusal:
            find_attempt(order, attempt_no(2))
        assert refusal.value.out_trade_no == attempt_no(2)


class TestOpenAttempt:
    def test_an_attempt_is_offered_again_to_its_own_friend_and_way_to_pay_only(self) -> None:
        order = after(an_order(), started("小明"))
        openid = a_person("小明").openid

        assert open_attempt_of(order, openid, TradeType.JSAPI, NOW_MS) is order.payments[0]
        assert open_attempt_of(order, openid, TradeType.NATIVE, NOW_MS) is None
        assert open_attempt_of(order, a_person("小红").openid, TradeType.JSAPI, NOW_MS) is None

    def test_an_expired_attempt_is_not_offered_again(self) -> None:
        order = after(an_order(), started("小明"))

        assert open_attempt_of(order, a_person("小明").openid, TradeType.JSAPI, EXPIRES_AT_MS) is None

    def test_a_friend_whose_attempt_has_expired_gets_a_new_number_if_the_order_lives_on(self) -> None:
        order = replace(after(an_order(), started("小明")), expires_at_ms=2 * EXPIRES_AT_MS)

        order = after(order, started("小明"), now_ms=EXPIRES_AT_MS)

        assert [payment.out_trade_no for payment in order.payments] == [attempt_no(1), attempt_no(2)]
        assert f"close:{attempt_no(1)}" in {effect.key for effect in order.effects}


class TestJson:
    @pytest.mark.parametrize("order", [an_order(), an_order_with_a_past(), after(an_order(), CloseRequested())])
    def test_an_order_comes_back_from_json_as_it_went(self, order: Order) -> None:
        assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order

    @settings(deadline=None)
    @given(
        title=st.text(),
        note=st.text(),
        name=st.text(),
        shares=st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=9),
    )
    def test_any_words_and_amounts_come_back_from_json(
        self, title: str, note: str, name: str, shares: list[int]
    ) -> None:
        order = after(an_order(*shares, title=title, note=note, initiator=a_person(name)), started(name))

        assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


class TestStory:
    def test_the_oldest_lines_of_a_long_story_give_way(self) -> None:
        order = an_order()
        for number in range(1, MAX_ENTRIES + 10):
            order = after(order, started(f"friend {number}", lease_ms=0))

        assert len(order.entries) == MAX_ENTRIES
        assert order.entries[-1].name == f"friend {MAX_ENTRIES + 9}"

    def test_pressing_and_leaving_for_ever_does_not_grow_the_document(self) -> None:
        order = after(an_order(), started(), released(), started())
        size_bytes = len(msgspec.json.encode(replace(order, rev=1)))

        for _ in range(1_000):
            order = after(order, released(), started())

        assert len(msgspec.json.encode(replace(order, rev=1))) == size_bytes


class TestBalance:
    def test_a_new_order_has_received_nothing(self) -> None:
        assert balance(an_order()) == Balance(received=0, kept=0, refund_due=0, refunded=0)

    def test_every_fen_is_kept_or_due_back_or_back(self) -> None:
        assert balance(an_order_with_a_past()) == Balance(received=160, kept=90, refund_due=60, refunded=10)

    def test_an_abnormal_refund_is_still_due(self) -> None:
        order = after(an_order_with_a_past(), refund_is(RefundState.ABNORMAL, 2))

        assert balance(order).refund_due == 60
