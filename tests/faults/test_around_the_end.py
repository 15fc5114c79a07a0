"""Money that comes around an order's end, or after it: kept or given back, to the fen, and never lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.domain.document import Order, OrderState
from server.domain.events import RefundState
from tests.faults.timed import Timed, a_timed_daifu

DAY_MS = 86_400_000
HOUR_S = 3600


@pytest.fixture
async def timed(tmp_path: Path) -> AsyncIterator[Timed]:
    async with a_timed_daifu(tmp_path) as timed:
        yield timed


async def an_attempt(timed: Timed) -> tuple[str, str]:
    """Return an order that ends in ten minutes, and the number of 小明's attempt at it."""
    order_id = (await timed.people["小红"].place_order(expires_in_s=600))["order_id"]
    return order_id, await timed.people["小明"].start_payment(order_id)


def is_paid(order: Order) -> bool:
    return order.state is OrderState.PAID and not any(effect.kind == "close" for effect in order.effects)


def all_is_back(order: Order) -> bool:
    states = [refund.state for payment in order.payments for refund in payment.refunds]
    return bool(states) and set(states) == {RefundState.SUCCESS}


@pytest.mark.parametrize("late_ms", [-1, 0, 1])
@pytest.mark.parametrize("is_notified", [True, False], ids=["notified", "not notified"])
async def test_paid_a_millisecond_around_the_end_it_is_kept(timed: Timed, late_ms: int, is_notified: bool) -> None:
    order_id, out_trade_no = await an_attempt(timed)
    if not is_notified:
        await timed.fault("notify", "drop", times=0)
    expires_at_ms = (await timed.daifu.services.store.get(order_id)).expires_at_ms
    timed.clock.pass_ms(expires_at_ms - timed.clock.now_ms() + late_ms)
    timed.daifu.services.bell.set()  # the relay expires it now, if it is over, while the money comes

    await timed.pay(out_trade_no, in_sheet=True)
    await timed.climb(order_id, is_paid, within_s=HOUR_S)

    assert await timed.audit() == []


async def test_three_days_after_the_close_it_goes_back_and_arrives(timed: Timed) -> None:
    order_id, out_trade_no = await an_attempt(timed)
    await timed.climb(order_id, lambda order: order.state is OrderState.CLOSED, within_s=HOUR_S)
    page = await timed.people["小明"].watch(order_id)
    await page.next_state()
    await timed.pass_ms(3 * DAY_MS)

    await timed.pay(out_trade_no, late=True)
    await timed.until(order_id, lambda order: order.payments[0].is_paid)
    order = await timed.climb(order_id, all_is_back, within_s=HOUR_S)

    assert (order.state, [refund.reason for refund in order.payments[0].refunds]) == (OrderState.CLOSED, ["late_money"])
    assert await timed.audit() == []
    async with asyncio.timeout(10):
        while (await page.next_state())["order"]["payments"][0]["trade_state"] != "REFUND":
            pass


async def test_a_close_that_timed_out_after_the_friend_was_faster_loses_nothing(timed: Timed) -> None:
    """ORDERPAID never reaches us, and no notify comes: only the question after the close tells."""
    order_id, out_trade_no = await an_attempt(timed)
    await timed.fault("notify", "drop", times=0)
    await timed.fault("orderquery", "fail_before", times=0)
    await timed.fault("closeorder", "fail_after", times=0)
    await timed.pay(out_trade_no, in_sheet=True)
    await timed.pass_ms(600_000)
    await timed.until(order_id, lambda order: order.state is OrderState.CLOSING)

    await timed.control.delete("/_sim/faults", params={"target": "orderquery"})
    await timed.climb(order_id, is_paid, within_s=HOUR_S)

    assert await timed.audit() == []


async def test_an_order_call_that_timed_out_after_its_effect_is_no_failure_once_the_notify_comes(timed: Timed) -> None:
    order_id = (await timed.people["小红"].place_order())["order_id"]
    await timed.fault("unifiedorder", "fail_after")
    answer = await timed.people["小明"].press_pay(order_id)
    assert answer.status_code >= 500  # unknown, and said so
    out_trade_no = (await timed.daifu.services.store.get(order_id)).payments[0].out_trade_no

    await timed.pay(out_trade_no)
    await timed.until(order_id, is_paid)

    assert await timed.audit() == []


async def test_of_three_shares_two_were_paid_when_it_ended_and_both_go_back_before_everybodys_eyes(
    timed: Timed,
) -> None:
    initiator, friends = timed.people["小红"], (timed.people["小明"], timed.people["老王"])
    order_id = (await initiator.place_order(amount=1000, shares=3, expires_in_s=600))["order_id"]
    for friend in friends:
        await timed.pay(await friend.start_payment(order_id))
    await timed.until(order_id, lambda order: len(order.held_shares) == 2)
    pages = [await person.watch(order_id) for person in (initiator, *friends)]
    for page in pages:
        assert (await page.next_state())["order"]["paid_shares"] == 2

    await timed.pass_ms(600_000)
    order = await timed.climb(order_id, all_is_back, within_s=HOUR_S)

    for page in pages:
        frames = await page.until_state("CLOSED")
        while any(p["trade_state"] != "REFUND" for p in frames[-1]["order"]["payments"]):
            frames.append(await page.next_state())
        refunds = [payment["refund"] for payment in frames[-1]["order"]["payments"]]
        assert [refund["state"] for refund in refunds] == ["SUCCESS", "SUCCESS"]
    back = [line["refund_fee"] for line in (await timed.control.get("/_sim/ledger")).json()["refunds"]]
    assert sorted(back) == sorted(payment.amount for payment in order.payments)
    assert await timed.audit() == []
