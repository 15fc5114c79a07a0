"""A day against WeChat's bill: each kind of difference is found, named, and cured or left to a person, once."""

import logging
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.app import Sandbox
from server.domain.bill import BillDay
from server.domain.document import OrderState, balance
from server.domain.events import CloseRequested, Evidence, PaymentUnpaid, RefundRequested, TradeState
from server.domain.reconcile import Difference
from server.domain.reconciliation import Outcome, Reconciliation
from server.errors import NoBill, WeChatUnavailable
from server.usecases import reconcile
from server.usecases.reconcile import cure_differences, find_differences
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.usecases.relay_rig import RelayRig, a_rig

HOUR_S: Final = 3600
DAY_MS: Final = 24 * HOUR_S * 1000


async def go_to(rig: RelayRig, at_ms: int) -> None:
    await rig.advance(max(0, at_ms - rig.clock.now_ms()) / 1000)


async def noon_of_tomorrow(rig: RelayRig) -> BillDay:
    day = BillDay.of(rig.clock.now_ms() + DAY_MS)
    await go_to(rig, day.start_ms + DAY_MS // 2)
    return day


@pytest.fixture
async def day(rig: RelayRig) -> BillDay:
    """A day that has come to its noon."""
    return await noon_of_tomorrow(rig)


async def reconciled(rig: RelayRig, day: BillDay) -> Reconciliation:
    """Wait for the day's bill and do all there is to do about it."""
    await go_to(rig, max(day.bill_from_ms, rig.clock.now_ms()))
    told: list[tuple[str, int, int]] = []
    compared = await find_differences(day, rig.means(), told=lambda *progress: told.append(progress))
    report = await cure_differences(compared, rig.means(), told=lambda *progress: told.append(progress))
    assert all(0 <= done <= total for _, done, total in told)
    return report


def outcomes(report: Reconciliation) -> list[tuple[Difference, Outcome, str]]:
    return sorted((line.finding.difference, line.outcome, line.reason) for line in report.lines)


async def paid_unheard(rig: RelayRig) -> str:
    """Return an order that is paid at WeChat, and nobody here knows."""
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    return order_id


async def closed_and_paid(rig: RelayRig) -> str:
    """Return an order that was closed here with its friend at the cashier, who then paid."""
    order_id = await rig.place()
    number = await rig.press(order_id)
    await rig.happen(order_id, CloseRequested())
    await rig.happen(order_id, PaymentUnpaid(number, TradeState.CLOSED))
    await rig.pay(number)
    return order_id


async def refunded(rig: RelayRig) -> str:
    """Return an order that was paid and refunded, and both is known here."""
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.happen(order_id, RefundRequested())
        await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=2 * HOUR_S)
    return order_id


@every_filling
@pytest.mark.parametrize("form", ["gzip", "plain"])
async def test_money_nobody_heard_of_is_settled_or_goes_back_and_a_second_run_finds_nothing(
    open_store: OpenStore,
    form: str,
    wechat: Sandbox,
    wechat_control: httpx.AsyncClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 1)
    async with a_rig(wechat, wechat_control, tmp_path, open_store=open_store) as rig:
        day = await noon_of_tomorrow(rig)
        taken, late = await paid_unheard(rig), await closed_and_paid(rig)
        if form == "plain":
            await rig.fault("downloadbill", "plain", times=2)

        first = await reconciled(rig, day)

        assert outcomes(first) == [
            (Difference.NOT_PAID_HERE, Outcome.CURED, "goes_back"),
            (Difference.NOT_PAID_HERE, Outcome.CURED, "taken"),
        ]
        assert (first.day, first.rows, first.orders) == (str(day), 2, 2)
        assert first.counts == {"not_paid_here": {"cured": 2}}
        order = await rig.store.get(taken)
        assert (order.state, order.payments[0].evidence) == (OrderState.PAID, Evidence.BILL)
        order = await rig.store.get(late)
        assert (order.state, balance(order).refund_due) == (OrderState.CLOSED, 100)

        second = await reconciled(rig, day)
        assert (second.rows, second.lines) == (2, ())
        assert await rig.store.get(late) == order


P, C = Outcome.PERSON, Outcome.CONFIRMED
BENT: Final[list[tuple[str, dict[str, Any], list[tuple[Difference, Outcome, str]]]]] = [
    ("missing", {}, [(Difference.NOT_IN_BILL, P, "")]),
    ("extra", {}, [(Difference.UNKNOWN_PAYMENT, P, "")]),
    ("amount", {}, [(Difference.OTHER_AMOUNT, P, "")]),
    ("openid", {}, [(Difference.OTHER_PAYER, P, "")]),
    ("transaction_id", {}, [(Difference.OTHER_TRANSACTION, P, "")]),
    ("revoked", {}, [(Difference.NOT_IN_BILL, P, ""), (Difference.UNKNOWN_ROW, P, "")]),
    ("duplicate", {}, [(Difference.DUPLICATE, P, "")]),
    ("refund_missing", {}, [(Difference.REFUND_NOT_IN_BILL, C, "SUCCESS")]),
    ("refund_extra", {}, [(Difference.REFUND_UNKNOWN, P, "")]),
    ("refund_amount", {}, [(Difference.REFUND_OTHER_AMOUNT, P, "")]),
    ("refund_status", {"refund_status": "CHANGE"}, [(Difference.REFUND_OTHER_STATE, P, "")]),
    ("refund_duplicate", {}, [(Difference.DUPLICATE, P, "")]),
]


async def test_each_difference_is_named_changes_nothing_on_its_own_word_and_calls_a_person(
    rig: RelayRig, day: BillDay, caplog: pytest.LogCaptureFixture
) -> None:
    order_id = await refunded(rig)
    order = await rig.store.get(order_id)
    for kind, parameters, expected in BENT:
        caplog.clear()
        await rig.fault("downloadbill", kind, **parameters)

        report = await reconciled(rig, day)

        assert outcomes(report) == expected, kind
        alarms = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert len(alarms) == report.total(P), kind
        assert order.payments[0].payer.openid not in caplog.text
    assert (await reconciled(rig, day)).lines == ()
    assert await rig.store.get(order_id) == order


async def test_what_the_bill_lacks_is_missed_on_the_last_page_too(
    rig: RelayRig, day: BillDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PAGE", 1)
    async with rig.relay():
        last = max([await rig.paid_order() for _ in range(3)])
    number = (await rig.store.get(last)).payments[0].out_trade_no
    await rig.fault("downloadbill", "missing", out_trade_no=number)

    (line,) = (await reconciled(rig, day)).lines

    assert (line.finding.difference, line.finding.out_trade_no) == (Difference.NOT_IN_BILL, number)


async def test_a_refund_that_arrived_unheard_is_asked_after_and_written_down(rig: RelayRig, day: BillDay) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
        await rig.happen(order_id, RefundRequested())
        await rig.at_rest(order_id)

    report = await reconciled(rig, day)

    assert outcomes(report) == [(Difference.REFUND_BEHIND, Outcome.CURED, "SUCCESS")]
    assert (await rig.store.get(order_id)).state is OrderState.REFUNDED
    assert (await reconciled(rig, day)).lines == ()


async def test_a_payment_wechat_itself_does_not_know_is_left_to_a_person(rig: RelayRig, day: BillDay) -> None:
    async with rig.relay():
        await rig.paid_order()
    order_id = await rig.place()
    number = await rig.press(order_id)
    await rig.fault("downloadbill", "extra", out_trade_no=number, total_fee=100)

    (line,) = [line for line in (await reconciled(rig, day)).lines if line.finding.order_id == order_id]

    assert (line.finding.difference, line.outcome) == (Difference.OTHER_PAYER, Outcome.PERSON)
    assert balance(await rig.store.get(order_id)).received == 0


async def test_what_wechat_does_not_answer_stays_unknown_and_the_next_run_cures_it(rig: RelayRig, day: BillDay) -> None:
    order_id = await paid_unheard(rig)
    await rig.fault("orderquery", "status", status=503)

    first, second = await reconciled(rig, day), await reconciled(rig, day)

    assert outcomes(first) == [(Difference.NOT_PAID_HERE, Outcome.UNKNOWN, "http_503")]
    assert outcomes(second) == [(Difference.NOT_PAID_HERE, Outcome.CURED, "taken")]
    assert (await rig.store.get(order_id)).state is OrderState.PAID


async def test_rows_of_orders_older_than_any_open_one_find_them(rig: RelayRig, day: BillDay) -> None:
    async with rig.relay():
        order_id = await rig.paid_order()
    await go_to(rig, day.start_ms + 20 * DAY_MS)
    later = await noon_of_tomorrow(rig)
    async with rig.relay():
        await rig.happen(order_id, RefundRequested())
        await rig.climb(order_id, lambda order: order.state is OrderState.REFUNDED, within_s=2 * HOUR_S)

    report = await reconciled(rig, later)

    assert (report.rows, report.orders, report.lines) == (1, 1, ())


class TestNoBill:
    async def test_is_asked_for_before_ten_the_next_morning(self, rig: RelayRig, day: BillDay) -> None:
        await go_to(rig, day.bill_from_ms - HOUR_S * 1000)

        with pytest.raises(NoBill):
            await find_differences(day, rig.means(), told=lambda *progress: None)

        assert await rig.calls("downloadbill") == []

    async def test_is_as_good_as_an_empty_one_on_a_day_nobody_paid(self, rig: RelayRig, day: BillDay) -> None:
        await rig.place()

        report = await reconciled(rig, day)

        assert (report.rows, report.orders, report.lines) == (0, 1, ())

    async def test_is_not_believed_on_a_day_somebody_paid(self, rig: RelayRig, day: BillDay) -> None:
        async with rig.relay():
            await rig.paid_order()
        await rig.fault("downloadbill", "error", code="No Bill Exist")

        with pytest.raises(NoBill):
            await reconciled(rig, day)

    async def test_yet_is_a_reason_to_come_again(self, rig: RelayRig, day: BillDay) -> None:
        await rig.fault("downloadbill", "error", code="Bill Creating")

        with pytest.raises(WeChatUnavailable):
            await reconciled(rig, day)
