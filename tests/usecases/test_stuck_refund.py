"""A refund that WeChat will not bring to its end, in the hands of a person: paid back, and never twice."""

import logging

import pytest

from server.domain.document import OrderState, balance
from server.domain.effects import EffectKind
from server.domain.events import (
    RefundProgressed,
    RefundReported,
    RefundRequested,
    RefundSettledByHand,
    RefundState,
)
from server.errors import RefundNotClosed, RefundNotStuck, WeChatUnavailable
from server.usecases.stuck_refund import refund_again, settle_by_hand
from tests.usecases.relay_rig import RelayRig, effect_of, refund_states


async def a_stuck_refund(rig: RelayRig, word: str, state: RefundState) -> str:
    """Return the id of an order whose one refund WeChat left like this."""
    order_id = await rig.paid_order()
    await rig.fault("refund", "outcome", state=word)
    await rig.happen(order_id, RefundRequested())
    await rig.climb(order_id, lambda order: refund_states(order) == [state], within_s=7200)
    return order_id


async def an_accepted_refund(rig: RelayRig) -> str:
    """Return the id of an order whose one refund is on its way, and arrives within three seconds."""
    order_id = await rig.paid_order()
    await rig.happen(order_id, RefundRequested())
    await rig.at_rest(order_id)
    return order_id


class TestAgain:
    async def test_one_that_wechat_closed_goes_back_under_a_new_number_once(self, rig: RelayRig) -> None:
        async with rig.relay():
            order_id = await a_stuck_refund(rig, "REFUNDCLOSE", RefundState.CLOSED)
            number = f"{order_id}001R1"
            first = await refund_again(number, **rig.hands)
            repeat = await refund_again(number, **rig.hands)
            assert (first.is_news, repeat.is_news) == (True, False)
            order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=7200)

        assert refund_states(order) == [RefundState.CLOSED, RefundState.SUCCESS]
        assert balance(order).refunded == 100
        refunds = (await rig.ledger())["refunds"]
        assert [(refund["out_refund_no"], refund["refund_fee"]) for refund in refunds] == [
            (number, 100),
            (f"{order_id}001R2", 100),
        ]

    async def test_one_that_arrived_since_is_written_down_and_neither_paid_again_nor_by_hand(
        self, rig: RelayRig
    ) -> None:
        async with rig.relay():
            order_id = await an_accepted_refund(rig)
        number = f"{order_id}001R1"
        await rig.happen(order_id, RefundProgressed(out_refund_no=number, state=RefundState.CLOSED))
        await rig.advance(3)  # it has arrived at the friend's, and here nobody knows yet

        with pytest.raises(RefundNotClosed) as refused:
            await refund_again(number, **rig.hands)
        with pytest.raises(RefundNotStuck):
            await settle_by_hand(number, "in cash", **rig.hands)

        assert refused.value.state == RefundState.SUCCESS
        assert refund_states(await rig.store.get(order_id)) == [RefundState.SUCCESS]
        assert len(await rig.calls("refund")) == 1

    async def test_while_wechat_does_not_answer_nothing_is_decided(self, rig: RelayRig) -> None:
        async with rig.relay():
            order_id = await a_stuck_refund(rig, "REFUNDCLOSE", RefundState.CLOSED)
        before = await rig.store.get(order_id)
        await rig.fault("refundquery", "error", code="SYSTEMERROR", times=2)

        with pytest.raises(WeChatUnavailable):
            await refund_again(f"{order_id}001R1", **rig.hands)
        with pytest.raises(WeChatUnavailable):
            await settle_by_hand(f"{order_id}001R1", "in cash", **rig.hands)

        assert await rig.store.get(order_id) == before


class TestByHand:
    async def test_one_that_came_back_to_the_merchant_is_settled_and_then_left_alone(self, rig: RelayRig) -> None:
        async with rig.relay():
            order_id = await a_stuck_refund(rig, "CHANGE", RefundState.ABNORMAL)
            number = f"{order_id}001R1"
            with pytest.raises(RefundNotClosed):
                await refund_again(number, **rig.hands)
            settled = await settle_by_hand(number, "bank transfer 7781", **rig.hands)
            repeat = await settle_by_hand(number, "another tale", **rig.hands)
            assert (settled.is_news, repeat.is_news) == (True, False)
            asked = len(await rig.calls("refundquery"))
            await rig.advance(2 * 86_400)
            order = await rig.at_rest(order_id)

        assert (order.state, refund_states(order)) == (OrderState.REFUNDED, [RefundState.SETTLED])
        assert order.payments[0].refunds[0].settled_note == "bank transfer 7781"
        assert len(await rig.calls("refundquery")) == asked

    async def test_one_that_wechat_never_took_is_settled_and_word_of_it_pays_nothing(self, rig: RelayRig) -> None:
        """Of a refund WeChat does not know, a question used to end in asking for it again."""
        async with rig.relay():
            order_id = await rig.paid_order()
            await rig.fault("refund", "error", code="USER_ACCOUNT_ABNORMAL")
            await rig.happen(order_id, RefundRequested())
            await rig.until(order_id, lambda order: refund_states(order) == [RefundState.ABNORMAL])
            number = f"{order_id}001R1"
            await settle_by_hand(number, "in cash", **rig.hands)
            await rig.happen(order_id, RefundReported(number))
            question = f"{EffectKind.QUERY_REFUND}:{number}"
            order = await rig.until(order_id, lambda order: question not in {e.key for e in order.effects})

        assert refund_states(order) == [RefundState.SETTLED]
        assert len(await rig.calls("refund")) == 1
        assert (await rig.ledger())["refunds"] == []

    async def test_wechats_word_that_a_settled_one_arrived_too_is_an_alarm_and_waits_for_a_person(
        self, rig: RelayRig, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with rig.relay():
            order_id = await an_accepted_refund(rig)
        number = f"{order_id}001R1"
        await rig.happen(order_id, RefundProgressed(out_refund_no=number, state=RefundState.ABNORMAL))
        await rig.happen(order_id, RefundSettledByHand(number, "in cash"))
        await rig.advance(3)
        await rig.happen(order_id, RefundReported(number))

        async with rig.relay():
            order = await rig.until(order_id, lambda order: effect_of(order, EffectKind.QUERY_REFUND).parked)

        assert effect_of(order, EffectKind.QUERY_REFUND).reason == "RefundPaidTwice"
        assert refund_states(order) == [RefundState.SETTLED]
        assert [r.levelno for r in caplog.records if "effect_parked" in r.getMessage()] == [logging.CRITICAL]
