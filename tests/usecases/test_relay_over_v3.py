"""The relay over API v3: the same effects, asked for in WeChat's newer words and believed by its signature."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from server.domain.document import OrderState, Payment, balance
from server.domain.events import Evidence, OrderExpired, PayApi, RefundRequested, TradeState
from tests.usecases.relay_rig import RelayRig, a_rig


@pytest.fixture
async def rig(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[RelayRig]:
    async with a_rig(wechat, wechat_control, tmp_path, api=PayApi.V3) as rig:
        yield rig


async def test_a_payment_is_found_and_its_refund_handed_over_asked_after_and_done(rig: RelayRig) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.happen(order_id, RefundRequested())
        order = await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=7200)

    payment = order.payments[0]
    assert (payment.api, payment.evidence, balance(order).refunded) == (PayApi.V3, Evidence.QUERY, 100)
    assert [refund["refund_status"] for refund in (await rig.ledger())["refunds"]] == ["SUCCESS"]
    for call in ("v3/query", "v3/refund", "v3/refundquery"):
        assert await rig.calls(call), call


async def test_an_order_that_nobody_paid_is_closed_at_wechat_and_then_here(rig: RelayRig) -> None:
    order_id = await rig.place(ttl_s=600)
    out_trade_no = await rig.press(order_id)
    async with rig.relay():
        order = await rig.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=700)

    assert order.payments[0].trade_state is TradeState.CLOSED
    [line] = (await rig.ledger())["orders"]
    assert (line["out_trade_no"], line["trade_state"]) == (out_trade_no, "CLOSED")
    assert len(await rig.calls("v3/close")) == 1


async def test_a_close_that_wechat_refuses_because_it_is_paid_settles_the_payment(rig: RelayRig) -> None:
    order_id = await rig.place(ttl_s=600)
    await rig.press(order_id)
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

    assert order.payments[0].evidence is Evidence.QUERY


async def test_answers_that_cannot_be_believed_decide_nothing(rig: RelayRig) -> None:
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    await rig.fault("orderquery", "bad_sign", times=2)

    async with rig.relay():
        await rig.advance(6)
        assert (await rig.at_rest(order_id)).state is OrderState.OPEN
        await rig.climb(order_id, lambda order: order.state is OrderState.PAID, within_s=120)
