"""
A day of our orders against WeChat's bill of it: find what differs, and cure what can be cured.

Both halves may be stopped at any point and run again. Finding changes nothing; a cure asks WeChat and writes down the
answer as any other query does, so what was cured before differs no more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from server.domain.bill import BillDay, BillRow
from server.domain.document import Order, find_attempt
from server.domain.events import Evidence
from server.domain.order_ids import first_order_id_at
from server.domain.reconcile import Cure, Difference, Finding, compare, set_apart, unknown
from server.domain.reconciliation import Line, Outcome, Reconciliation, count
from server.domain.refunds import find_refund
from server.errors import NoBill, OrderError, WeChatRefused, WeChatUnavailable
from server.ports import Store
from server.usecases.change_order import change_order
from server.usecases.confirm_payment import ask_wechat
from server.usecases.effect_means import Means, log

PAGE: Final = 200  # orders in memory at once

# An order is open for seven days at most, and its last attempt for some minutes more: money that comes on a day is of
# an order not older than this. What is older is found by the rows that name it.
LOOK_BACK_MS: Final = 8 * 86_400_000

# Hears how far a stage has come: its name, what is done, and how much there is to do.
Told = Callable[[str, int, int], None]


def told_nobody(stage: str, done: int, total: int) -> None:
    """Be told where nobody watches."""


@dataclass(frozen=True)
class Compared:
    """What one look at a day found; nothing was changed."""

    day: BillDay
    rows: int
    orders: int
    findings: tuple[Finding, ...]


async def find_differences(day: BillDay, means: Means, *, told: Told) -> Compared:
    """
    Compare the day's bill with our orders, page by page, both ways.

    Where WeChat has no bill the day was empty, if it was empty here as well.

    Raises:
        NoBill: It is too early, or WeChat has no bill of a day on which something was paid here.
        MalformedBill, WeChatRefused: Somebody has to look.
        WeChatUnavailable, StoreUnavailable: Later.
    """
    if means.clock.now_ms() < day.bill_from_ms:
        raise NoBill
    try:
        rows: Sequence[BillRow] = (await means.gateway.download_bill(day.date)).rows
    except NoBill:
        found = await _compare_all(day, (), means.store, told)
        if found.findings:
            raise
        return found
    return await _compare_all(day, rows, means.store, told)


async def cure_differences(compared: Compared, means: Means, *, told: Told) -> Reconciliation:
    """
    Do about each difference what can be done, and call a person for the rest.

    Raises:
        StoreUnavailable: Run it again.
    """
    lines = []
    for finding in compared.findings:
        line = await _cure(finding, means)
        lines.append(line)
        if line.outcome is Outcome.PERSON:
            _alarm(compared.day, line)
        told("differences", len(lines), len(compared.findings))
    return report_of(compared, lines, now_ms=means.clock.now_ms())


def left_alone(compared: Compared, *, now_ms: int) -> Reconciliation:
    """Return the report of a look that is not to change anything."""
    return report_of(compared, [Line(finding, Outcome.LEFT) for finding in compared.findings], now_ms=now_ms)


def report_of(compared: Compared, lines: Sequence[Line], *, now_ms: int) -> Reconciliation:
    return Reconciliation(
        day=str(compared.day),
        finished_at_ms=now_ms,
        rows=compared.rows,
        orders=compared.orders,
        counts=count(lines),
        lines=tuple(lines),
    )


async def _compare_all(day: BillDay, rows: Sequence[BillRow], store: Store, told: Told) -> Compared:
    rows_of, findings = await asyncio.to_thread(set_apart, rows)  # there may be a million, and payments go on
    orders = 0
    async for page in _orders_around(day, store, told):
        orders += len(page)
        for order in page:
            findings += compare(order, rows_of.pop(order.order_id, ()), day)
    async for page in _orders_named(rows_of, store, told):
        orders += len(page)
        for order in page:
            findings += compare(order, rows_of.pop(order.order_id), day)
    for unclaimed in rows_of.values():
        findings += unknown(unclaimed)
    return Compared(day, len(rows), orders, tuple(findings))


async def _orders_around(day: BillDay, store: Store, told: Told) -> AsyncIterator[Sequence[Order]]:
    """Yield every order that can have been paid on this day."""
    from_ms = day.start_ms - LOOK_BACK_MS
    span_ms = day.end_ms - from_ms
    after, before = first_order_id_at(from_ms), first_order_id_at(day.end_ms)
    while page := await store.scan(after=after, before=before, limit=PAGE):
        yield page
        after = page[-1].order_id
        told("orders", min(page[-1].created_at_ms - from_ms, span_ms), span_ms)
    told("orders", span_ms, span_ms)


async def _orders_named(rows_of: Mapping[str, object], store: Store, told: Told) -> AsyncIterator[Sequence[Order]]:
    """Yield the orders that rows name: late money and late refunds are of older ones."""
    wanted = tuple(rows_of)
    for begin in range(0, len(wanted), PAGE):
        yield await store.get_many(wanted[begin : begin + PAGE])
        told("older orders", min(begin + PAGE, len(wanted)), len(wanted))


async def _cure(finding: Finding, means: Means) -> Line:
    try:
        if finding.cure is Cure.QUERY_PAYMENT:
            return await _query_payment(finding, means)
        if finding.cure is Cure.QUERY_REFUND:
            return await _query_refund(finding, means)
    except WeChatUnavailable as error:
        return Line(finding, Outcome.UNKNOWN, error.reason)
    except WeChatRefused as refused:
        return Line(finding, Outcome.PERSON, refused.code)
    except OrderError as error:
        return Line(finding, Outcome.PERSON, type(error).__name__)
    return Line(finding, Outcome.PERSON)


async def _query_payment(finding: Finding, means: Means) -> Line:
    """Settle what WeChat itself now says of the attempt: it takes a share, or the order owes it back."""
    payment = find_attempt(await means.store.get(finding.order_id), finding.out_trade_no)
    await means.pace.turn("orderquery")
    order = await ask_wechat(
        payment,
        Evidence.BILL,
        store=means.store,
        bus=means.bus,
        gateway=means.gateway,
        clock=means.clock,
    )
    paid = next((p for p in order.payments if p.transaction_id == finding.transaction_id), None)
    if paid is None:
        return Line(finding, Outcome.PERSON, "query_disagrees")
    return Line(finding, Outcome.CURED, "taken" if paid.share is not None and paid.left else "goes_back")


async def _query_refund(finding: Finding, means: Means) -> Line:
    payment, refund = find_refund(await means.store.get(finding.order_id), finding.out_refund_no)
    await means.pace.turn("refundquery")
    progressed = await means.gateway.query_refund(payment, refund)
    await change_order(finding.order_id, progressed, store=means.store, bus=means.bus, clock=means.clock)
    if progressed.state.is_stuck:
        return Line(finding, Outcome.PERSON, progressed.state)
    is_news = finding.difference is Difference.REFUND_BEHIND and progressed.state is not refund.state
    return Line(finding, Outcome.CURED if is_news else Outcome.CONFIRMED, progressed.state)


def _alarm(day: BillDay, line: Line) -> None:
    finding = line.finding
    log.critical(
        "bill_differs",
        day=str(day),
        difference=finding.difference,
        out_trade_no=finding.out_trade_no,
        out_refund_no=finding.out_refund_no,
        here=finding.here,
        there=finding.there,
        reason=line.reason,
    )
