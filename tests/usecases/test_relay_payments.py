"""Attempts nobody tells us of: asked after, expired, closed, and never given up too early."""

import logging
from collections.abc import Callable

import pytest

from server.domain.document import Order, OrderState, Payment, balance
from server.domain.effects import QUERY_GAPS_S, EffectKind
from server.domain.events import Evidence, OrderExpired, PaymentConfirmed, RefundState, TradeState
from server.domain.money import Fen
from server.errors import WeChatUnavailable
from server.usecases.retry_effect import retry_effect
from server.usecases.settle import settle
from tests.usecases.relay_rig import RelayRig, effect_of

DAY_S = 86_400


def tried(times: int) -> Callable[[Order], bool]:
    """Has the order's one attempt been asked after so often?"""
    return lambda order: effect_of(order, EffectKind.QUERY).tries == times


@pytest.mark.parametrize("questions", [0, 2, 5])
async def test_a_payment_whose_notify_never_comes_is_found_by_the_ladder(rig: RelayRig, questions: int) -> None:
    order_id = await rig.place()
    out_trade_no = await rig.press(order_id)
    async with rig.relay():
        await rig.climb(order_id, tried(questions), within_s=600)
        next_gap_s = QUERY_GAPS_S[questions]
        await rig.pay(out_trade_no)

        order = await rig.climb(order_id, lambda order: order.state is OrderState.PAID, within_s=next_gap_s + 1)

    assert order.payments[0].evidence is Evidence.QUERY


async def test_the_first_questions_come_after_5_20_50_and_110_seconds(rig: RelayRig) -> None:
    order_id = await rig.place()
    await rig.press(order_id)
    asked_at_s = []
    async with rig.relay():
        pressed_ms = (await rig.store.get(order_id)).payments[0].created_at_ms
        for tries in range(1, 5):
            order = await rig.climb(order_id, tried(tries), within_s=120)
            asked_at_s.append((rig.clock.now_ms() - pressed_ms) / 1000)

    assert asked_at_s == pytest.approx([5, 20, 50, 110], abs=2)
    assert order.payments[0].trade_state is TradeState.NOTPAY
    assert len(await rig.calls("orderquery")) == 4


async def test_while_wechat_does_not_answer_nothing_is_decided_and_the_payment_is_found_later(rig: RelayRig) -> None:
    order_id = await rig.place()
    out_trade_no = await rig.press(order_id)
    await rig.pay(out_trade_no)
    await rig.fault("orderquery", "status", status=502, times=0)
    async with rig.relay():
        order = await rig.climb(order_id, tried(3), within_s=120)
        assert (order.state, order.payments[0].trade_state) == (OrderState.OPEN, TradeState.NOTPAY)
        assert effect_of(order, EffectKind.QUERY).reason == "http_502"

        await rig.heal()
        await rig.climb(order_id, lambda order: order.state is OrderState.PAID, within_s=120)


async def test_an_attempt_wechat_never_heard_of_is_asked_after_until_an_hour_past_its_end(rig: RelayRig) -> None:
    """Our order call might still be on its way: somebody could pay what WeChat does not know yet."""
    order_id = await rig.place(ttl_s=3600)
    await rig.fault("unifiedorder", "fail_before", times=0)
    with pytest.raises(WeChatUnavailable):
        await rig.press(order_id)
    await rig.fault("closeorder", "fail_before", times=0)
    async with rig.relay():
        await rig.advance(2 * 3600 - 5)
        order = await rig.at_rest(order_id)
        assert (order.state, order.payments[0].is_open) == (OrderState.CLOSING, True)
        assert effect_of(order, EffectKind.QUERY).reason == "ORDERNOTEXIST"

        order = await rig.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=3601)

    assert order.payments[0].trade_state is TradeState.CLOSED


@pytest.mark.parametrize("late_ms", [-1, 0, 1], ids=["just before", "at", "just after"])
async def test_money_paid_around_the_expiry_is_kept_or_goes_back(rig: RelayRig, late_ms: int) -> None:
    order_id = await rig.place(ttl_s=600)
    out_trade_no = await rig.press(order_id)
    expires_at_ms = (await rig.store.get(order_id)).expires_at_ms
    await rig.advance((expires_at_ms - rig.clock.now_ms() + late_ms) / 1000)
    await rig.pay(out_trade_no)
    async with rig.relay():
        order = await rig.climb(order_id, lambda order: order.state is OrderState.PAID, within_s=1200)

    assert balance(order).kept == 100


async def test_money_from_a_sheet_left_open_for_three_days_is_taken_while_wechat_could_not_close(
    rig: RelayRig,
) -> None:
    order_id = await rig.place(ttl_s=600)
    out_trade_no = await rig.press(order_id)
    await rig.fault("closeorder", "fail_before", times=0)
    async with rig.relay():
        await rig.advance(3 * DAY_S)
        order = await rig.at_rest(order_id)
        assert (order.state, order.payments[0].is_open) == (OrderState.CLOSING, True)

        await rig.pay(out_trade_no)
        await rig.heal()
        order = await rig.climb(order_id, lambda order: order.state is OrderState.PAID, within_s=2 * 3600)

    assert balance(order).kept == 100


async def test_money_that_is_reported_three_days_after_the_close_goes_back(rig: RelayRig) -> None:
    order_id = await rig.place(ttl_s=600)
    out_trade_no = await rig.press(order_id)
    async with rig.relay():
        await rig.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=1200)
        await rig.advance(3 * DAY_S)
        late = PaymentConfirmed(
            out_trade_no=out_trade_no,
            transaction_id="4200000000202611210000000001",
            amount=Fen(100),
            openid="",
            paid_at_ms=rig.clock.now_ms(),
            evidence=Evidence.BILL,
        )
        await settle(late, store=rig.store, bus=rig.bus, clock=rig.clock)
        order = await rig.at_rest(order_id)

    assert (order.state, balance(order).refund_due, balance(order).kept) == (OrderState.CLOSED, 100, 0)
    assert [call["out_refund_no"] for call in await rig.calls("refund")] == [order.payments[0].refunds[0].out_refund_no]


async def test_an_order_that_nobody_paid_is_closed_at_wechat_and_then_here(rig: RelayRig) -> None:
    order_id = await rig.place(ttl_s=600)
    out_trade_no = await rig.press(order_id)
    async with rig.relay():
        order = await rig.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=700)

    assert order.payments[0].trade_state is TradeState.CLOSED
    assert [(line["out_trade_no"], line["trade_state"]) for line in (await rig.ledger())["orders"]] == [
        (out_trade_no, "CLOSED")
    ]
    assert {effect.kind for effect in order.effects} <= {EffectKind.WEBHOOK}


async def test_an_attempt_younger_than_five_minutes_is_not_closed_yet(rig: RelayRig) -> None:
    order_id = await rig.place(ttl_s=60)
    await rig.press(order_id)
    async with rig.relay():
        await rig.advance(61)
        order = await rig.at_rest(order_id)
        assert order.state is OrderState.CLOSING
        assert await rig.calls("closeorder") == []

        await retry_effect(
            order_id, effect_of(order, EffectKind.CLOSE).key, store=rig.store, bus=rig.bus, clock=rig.clock
        )
        await rig.at_rest(order_id)
        assert await rig.calls("closeorder") == []

        await rig.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=300)


async def test_a_close_that_wechat_refuses_because_it_is_paid_settles_the_payment(rig: RelayRig) -> None:
    order_id = await rig.place(ttl_s=600)
    out_trade_no = await rig.press(order_id)
    await rig.advance(601)
    await rig.happen(order_id, OrderExpired())

    class PaidInBetween:
        """The friend pays after our question and before our close."""

        def __getattr__(self, name: str) -> object:
            return getattr(rig.gateway, name)

        async def close(self, payment: Payment) -> None:
            await rig.pay(payment.out_trade_no)
            await rig.gateway.close(payment)

    async with rig.relay(PaidInBetween()):  # type: ignore[arg-type]
        rig.bell.set()
        order = await rig.until(order_id, lambda order: order.state is OrderState.PAID)

    assert (order.payments[0].out_trade_no, order.payments[0].evidence) == (out_trade_no, Evidence.QUERY)


@pytest.mark.parametrize("kind", ["fail_before", "fail_after", "garbage"])
async def test_a_close_without_an_answer_is_no_close_until_wechat_says_so(rig: RelayRig, kind: str) -> None:
    order_id = await rig.place(ttl_s=600)
    await rig.press(order_id)
    await rig.fault("closeorder", kind, times=1)
    async with rig.relay():
        await rig.advance(601)
        order = await rig.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=60)

    assert order.payments[0].trade_state is TradeState.CLOSED
    assert (await rig.ledger())["orders"][0]["trade_state"] == "CLOSED"


async def test_a_query_that_contradicts_the_order_waits_for_a_person_and_books_nothing(
    rig: RelayRig, caplog: pytest.LogCaptureFixture
) -> None:
    order_id = await rig.place()
    out_trade_no = await rig.press(order_id)
    await rig.pay(out_trade_no)

    class OtherAmount:
        def __getattr__(self, name: str) -> object:
            return getattr(rig.gateway, name)

        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed:
            return PaymentConfirmed(
                out_trade_no=payment.out_trade_no,
                transaction_id="1",
                amount=Fen(99),
                openid="",
                paid_at_ms=rig.clock.now_ms(),
                evidence=evidence,
            )

    async with rig.relay(OtherAmount()):  # type: ignore[arg-type]
        await rig.advance(6)
        order = await rig.until(order_id, lambda order: effect_of(order, EffectKind.QUERY).parked)
    assert (order.state, effect_of(order, EffectKind.QUERY).reason) == (OrderState.OPEN, "AmountMismatch")
    assert [r.levelno for r in caplog.records if "effect_parked" in r.getMessage()] == [logging.CRITICAL]

    await retry_effect(order_id, effect_of(order, EffectKind.QUERY).key, store=rig.store, bus=rig.bus, clock=rig.clock)
    async with rig.relay():
        await rig.until(order_id, lambda order: order.state is OrderState.PAID)


async def test_of_a_split_order_that_ends_incomplete_every_share_paid_goes_back(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order(40, 30, 30, payers=("小明", "老王"))
        order = await rig.climb(
            order_id,
            lambda order: order.state is OrderState.CLOSED and balance(order).refunded == 70,
            within_s=7200,
        )

    assert [p.refunds[0].state for p in order.payments] == [RefundState.SUCCESS] * 2
    refunds = (await rig.ledger())["refunds"]
    assert sorted(refund["refund_fee"] for refund in refunds) == [30, 40]
    assert balance(order).kept == 0
