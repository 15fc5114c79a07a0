"""Money that goes back: once, under one number, whatever happens on the way."""

import asyncio
import logging
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from server.domain.document import Order, OrderState, Payment, Refund, balance
from server.domain.effects import EffectKind
from server.domain.events import RefundProgressed, RefundRequested, RefundState
from server.domain.money import Fen
from server.errors import AmountMismatch, TransactionMismatch, UnknownAttempt, WeChatUnavailable
from server.usecases.hear_of_refund import RefundNews, hear_of_refund
from server.usecases.retry_effect import retry_effect
from tests.usecases.relay_rig import RelayRig, effect_of, refund_states

YEAR_S = 365 * 86_400


async def test_a_refund_is_handed_over_asked_after_and_done(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.happen(order_id, RefundRequested())
        order = await rig.at_rest(order_id)
        assert (order.state, refund_states(order)) == (OrderState.PAID, [RefundState.PROCESSING])
        assert len(await rig.calls("refundquery")) == 0

        order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=7200)

    assert balance(order).refunded == 100
    assert order.payments[0].refunds[0].refund_id


async def test_five_answers_that_never_came_and_a_crash_after_each_refund_once_under_one_number(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
    await rig.fault("refund", "fail_after", times=5)
    await rig.happen(order_id, RefundRequested())

    for tries in range(1, 6):
        async with rig.relay():
            await rig.climb(order_id, failed(tries), within_s=120)
    async with rig.relay():
        order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=7200)

    asked = await rig.calls("refund")
    ledger = (await rig.ledger())["refunds"]
    assert len(asked) == 6
    assert {call["out_refund_no"] for call in asked} == {order.payments[0].refunds[0].out_refund_no}
    assert [refund["refund_fee"] for refund in ledger] == [100]


@pytest.mark.parametrize("code", ["SYSTEMERROR", "BIZERR_NEED_RETRY", "FREQUENCY_LIMITED", "A_CODE_OF_TOMORROW"])
async def test_a_code_that_says_nothing_for_good_is_tried_again(rig: RelayRig, code: str) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.fault("refund", "error", code=code)
        await rig.happen(order_id, RefundRequested())
        order = await rig.until(order_id, failed(1))
        assert (effect_of(order, EffectKind.REFUND).reason, refund_states(order)) == (code, [RefundState.DUE])

        await rig.climb(order_id, lambda order: refund_states(order) == [RefundState.PROCESSING], within_s=60)


@pytest.mark.parametrize("code", ["NOTENOUGH", "CERT_ERROR", "SIGNERROR", "INVALID_REQUEST"])
async def test_what_a_person_can_put_right_is_told_loudly_and_tried_on(
    rig: RelayRig, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.fault("refund", "error", code=code)
        await rig.happen(order_id, RefundRequested())
        order = await rig.until(order_id, failed(1))
        assert effect_of(order, EffectKind.REFUND).reason == code

        await rig.climb(order_id, lambda order: refund_states(order) == [RefundState.PROCESSING], within_s=60)

    (alarm,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert code in alarm.getMessage()
    assert "openid" not in alarm.getMessage()


@pytest.mark.parametrize("code", ["TRADE_OVERDUE", "USER_ACCOUNT_ABNORMAL"])
async def test_what_can_never_succeed_is_abnormal_and_waits_for_a_person(
    rig: RelayRig, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.fault("refund", "error", code=code)
        await rig.happen(order_id, RefundRequested())
        order = await rig.until(order_id, lambda order: refund_states(order) == [RefundState.ABNORMAL])
        await rig.advance(2 * 86_400)
        order = await rig.at_rest(order_id)

        waiting = effect_of(order, EffectKind.QUERY_REFUND)
        assert (waiting.parked, waiting.reason) == (True, code)
        assert len(await rig.calls("refund")) == 1
        assert [r.levelno for r in caplog.records if "refund_given_up" in r.getMessage()] == [logging.CRITICAL]

        await retry_effect(order_id, waiting.key, store=rig.store, bus=rig.bus, clock=rig.clock)
        order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=86_400)

    assert {call["out_refund_no"] for call in await rig.calls("refund")} == {order.payments[0].refunds[0].out_refund_no}


async def test_after_a_year_wechat_is_not_even_asked(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.advance(YEAR_S + 60)
        await rig.happen(order_id, RefundRequested())
        order = await rig.until(order_id, lambda order: refund_states(order) == [RefundState.ABNORMAL])

    assert effect_of(order, EffectKind.QUERY_REFUND).reason == "TRADE_OVERDUE"
    assert await rig.calls("refund") == []


async def test_parts_of_one_payment_go_back_a_minute_apart_in_their_order(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        for part in (50, 30, 20):
            await rig.happen(order_id, RefundRequested(amount=Fen(part)))
        order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=86_400)

    assert [refund["refund_fee"] for refund in (await rig.ledger())["refunds"]] == [50, 30, 20]
    accepted_ms = [refund.accepted_at_ms or 0 for refund in order.payments[0].refunds]
    assert all(after - before >= 60_000 for before, after in pairwise(accepted_ms))
    assert len(await rig.calls("refund")) == 3


async def test_a_refund_wechat_has_lost_is_asked_for_again_under_the_same_number(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
    order = await rig.happen(order_id, RefundRequested())
    number = order.payments[0].refunds[0].out_refund_no
    await rig.happen(order_id, RefundProgressed(out_refund_no=number, state=RefundState.PROCESSING))

    async with rig.relay():
        await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=7200)

    assert [call["out_refund_no"] for call in await rig.calls("refund")] == [number]
    assert [refund["out_refund_no"] for refund in (await rig.ledger())["refunds"]] == [number]


@pytest.mark.parametrize(
    ("word", "state"), [("CHANGE", RefundState.ABNORMAL), ("REFUNDCLOSE", RefundState.CLOSED)], ids=["change", "close"]
)
async def test_a_refund_that_did_not_arrive_raises_one_alarm_and_is_asked_after_on(
    rig: RelayRig, caplog: pytest.LogCaptureFixture, word: str, state: RefundState
) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.fault("refund", "outcome", state=word)
        await rig.happen(order_id, RefundRequested())
        await rig.climb(order_id, lambda order: refund_states(order) == [state], within_s=7200)
        await rig.advance(4000)
        order = await rig.at_rest(order_id)

    assert not effect_of(order, EffectKind.QUERY_REFUND).parked
    assert len([r for r in caplog.records if "refund_abnormal" in r.getMessage()]) == 1


class TestNews:
    """A refund notify: every number is compared, and then the question is asked, no more."""

    @pytest.fixture
    async def order(self, rig: RelayRig) -> Order:
        """One refund, handed over and not yet asked after."""
        async with rig.relay():
            order_id = await rig.paid_order()
            await rig.happen(order_id, RefundRequested())
            return await rig.at_rest(order_id)

    def news(self, order: Order, **other: Any) -> RefundNews:
        payment = order.payments[0]
        told = RefundNews(
            out_trade_no=payment.out_trade_no,
            out_refund_no=payment.refunds[0].out_refund_no,
            transaction_id=payment.transaction_id,
            amount=payment.refunds[0].amount,
        )
        return replace(told, **other)

    async def test_it_brings_the_question_forward_and_changes_no_refund(self, rig: RelayRig, order: Order) -> None:
        after, is_news = await hear_of_refund(self.news(order), store=rig.store, bus=rig.bus, clock=rig.clock)

        assert is_news
        assert refund_states(after) == [RefundState.PROCESSING]
        assert effect_of(after, EffectKind.QUERY_REFUND).due_at_ms <= rig.clock.now_ms()

        again = await hear_of_refund(self.news(order), store=rig.store, bus=rig.bus, clock=rig.clock)
        assert again == (after, False)

    async def test_before_wechat_answered_our_own_call_it_is_no_less_heard(self, rig: RelayRig) -> None:
        async with rig.relay():
            order_id = await rig.paid_order()
        handed_over, answer = asyncio.Event(), asyncio.Event()

        class Slow:
            def __getattr__(self, name: str) -> object:
                return getattr(rig.gateway, name)

            async def refund(self, order: Order, payment: Payment, refund: Refund) -> RefundProgressed:
                accepted = await rig.gateway.refund(order, payment, refund)
                handed_over.set()
                await answer.wait()
                return accepted

        async with rig.relay(Slow()):  # type: ignore[arg-type]
            order = await rig.happen(order_id, RefundRequested())
            await asyncio.wait_for(handed_over.wait(), 10)
            await rig.advance(3)  # it has arrived at the friend's
            await hear_of_refund(self.news(order), store=rig.store, bus=rig.bus, clock=rig.clock)
            answer.set()
            order = await rig.until(order_id, lambda order: order.state is OrderState.REFUNDED)

        assert refund_states(order) == [RefundState.SUCCESS]
        assert len(await rig.calls("refund")) == 1

    @pytest.mark.parametrize(
        ("other", "error"),
        [
            ({"amount": Fen(99)}, AmountMismatch),
            ({"transaction_id": "42"}, TransactionMismatch),
            ({"out_trade_no": "42"}, UnknownAttempt),
        ],
        ids=["amount", "transaction_id", "out_trade_no"],
    )
    async def test_what_contradicts_the_order_changes_nothing(
        self, rig: RelayRig, order: Order, other: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await hear_of_refund(self.news(order, **other), store=rig.store, bus=rig.bus, clock=rig.clock)

        assert await rig.store.get(order.order_id) == order

    async def test_an_unknown_refund_changes_nothing(self, rig: RelayRig, order: Order) -> None:
        number = f"{order.order_id}001R9"
        with pytest.raises(UnknownAttempt):
            await hear_of_refund(self.news(order, out_refund_no=number), store=rig.store, bus=rig.bus, clock=rig.clock)


def failed(times: int) -> Any:
    """Has the refund been tried so often in vain?"""
    return lambda order: effect_of(order, EffectKind.REFUND).tries == times


async def test_the_rig_can_tell_an_unknown_outcome(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
    order = await rig.store.get(order_id)
    order = await rig.happen(order_id, RefundRequested())
    await rig.fault("refund", "fail_after")

    with pytest.raises(WeChatUnavailable):
        await rig.gateway.refund(order, order.payments[0], order.payments[0].refunds[0])
    assert len((await rig.ledger())["refunds"]) == 1
