"""
Our orders against WeChat's bill: what differs, and what is to be done about it.

A row of the bill names its order; an order names what was paid and refunded on the day. So one order and its rows are
compared at a time. The bill is not signed: a difference is never applied on its word alone, but is a reason to ask
WeChat, or to call a person.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from server.domain.bill import BillDay, BillRow
from server.domain.document import Order, Payment, Refund, order_id_of
from server.domain.events import RefundState
from server.domain.money import Fen


class Difference(StrEnum):
    """Here is our store, there is the bill."""

    NOT_PAID_HERE = "not_paid_here"  # paid there; here the attempt is open or closed
    NOT_IN_BILL = "not_in_bill"  # paid here on this day
    UNKNOWN_PAYMENT = "unknown_payment"  # paid there; here no order has such an attempt
    OTHER_AMOUNT = "other_amount"
    OTHER_PAYER = "other_payer"
    OTHER_TRANSACTION = "other_transaction"  # the attempt was paid here by another transaction
    REFUND_BEHIND = "refund_behind"  # further on there than here
    REFUND_NOT_IN_BILL = "refund_not_in_bill"  # accepted here on this day
    REFUND_UNKNOWN = "refund_unknown"  # refunded there, and nobody here asked for it
    REFUND_OTHER_AMOUNT = "refund_other_amount"
    REFUND_OTHER_STATE = "refund_other_state"  # here the money has arrived, there it has not
    REFUND_TWICE = "refund_twice"  # it arrived there, and here a person has paid it another way
    DUPLICATE = "duplicate"  # the bill has it twice
    UNKNOWN_ROW = "unknown_row"  # neither a payment nor a refund


class Cure(StrEnum):
    """What is done about a difference."""

    QUERY_PAYMENT = "query_payment"  # ask WeChat and settle; money nobody needs goes back by the order's own effect
    QUERY_REFUND = "query_refund"  # ask WeChat and write down how the refund stands
    PERSON = "person"


CURES: Final[Mapping[Difference, Cure]] = {
    Difference.NOT_PAID_HERE: Cure.QUERY_PAYMENT,
    Difference.REFUND_BEHIND: Cure.QUERY_REFUND,
    Difference.REFUND_NOT_IN_BILL: Cure.QUERY_REFUND,
}


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference. Amounts in fen, None on the side that has none."""

    difference: Difference
    out_trade_no: str
    transaction_id: str
    out_refund_no: str = ""
    here: Fen | None = None
    there: Fen | None = None

    @property
    def order_id(self) -> str:
        return order_id_of(self.out_trade_no)

    @property
    def cure(self) -> Cure:
        return CURES.get(self.difference, Cure.PERSON)


# How a bill says where a refund stands. Any other word is a refund that went wrong.
_REFUND_STATES: Final = {
    "": RefundState.PROCESSING,
    "PROCESSING": RefundState.PROCESSING,
    "SUCCESS": RefundState.SUCCESS,
}
_RANK: Final = {state: rank for rank, state in enumerate(RefundState)}


def set_apart(rows: Iterable[BillRow]) -> tuple[dict[str, list[BillRow]], list[Finding]]:
    """Return each payment and refund once, by the order it names, and what the bill has twice or is neither."""
    by_order: defaultdict[str, list[BillRow]] = defaultdict(list)
    findings: list[Finding] = []
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = (row.transaction_id, row.refund_id or row.out_refund_no)
        if row.trade_state not in ("SUCCESS", "REFUND"):
            findings.append(_found(Difference.UNKNOWN_ROW, row))
        elif key in seen:
            findings.append(_found(Difference.DUPLICATE, row))
        else:
            by_order[order_id_of(row.out_trade_no)].append(row)
            seen.add(key)
    return dict(by_order), findings


def compare(order: Order, rows: Sequence[BillRow], day: BillDay) -> Iterator[Finding]:
    """Yield what differs between an order and the rows that name it, both ways."""
    paid = [row for row in rows if row.trade_state == "SUCCESS"]
    refunded = [row for row in rows if row.trade_state == "REFUND"]
    for row in paid:
        yield from _compare_payment(order, row)
    for row in refunded:
        yield from _compare_refund(order, row)
    yield from _missing_payments(order, paid, day)
    yield from _missing_refunds(order, refunded, day)


def unknown(rows: Iterable[BillRow]) -> Iterator[Finding]:
    """Yield the findings of rows whose order is not here."""
    for row in rows:
        is_refund = row.trade_state == "REFUND"
        yield _found(Difference.REFUND_UNKNOWN if is_refund else Difference.UNKNOWN_PAYMENT, row)


def _compare_payment(order: Order, row: BillRow) -> Iterator[Finding]:
    payment = _payment_of(order, row)
    if payment is None:
        yield _found(Difference.UNKNOWN_PAYMENT, row)
    elif payment.out_trade_no != row.out_trade_no or payment.transaction_id not in ("", row.transaction_id):
        yield _found(Difference.OTHER_TRANSACTION, row, here=payment.amount)
    elif row.fee_type != "CNY" or _is_other(payment.amount, row.amount, row.settled):
        yield _found(Difference.OTHER_AMOUNT, row, here=payment.amount)
    elif payment.trade_type.binds_payer and row.openid not in ("", payment.payer.openid):
        yield _found(Difference.OTHER_PAYER, row, here=payment.amount)
    elif not payment.is_paid:
        yield _found(Difference.NOT_PAID_HERE, row)


def _compare_refund(order: Order, row: BillRow) -> Iterator[Finding]:
    found = next(((p, r) for p, r in _refunds_of(order) if r.out_refund_no == row.out_refund_no), None)
    if found is None:
        yield _found(Difference.REFUND_UNKNOWN, row)
        return
    payment, refund = found
    there = _REFUND_STATES.get(row.refund_status, RefundState.ABNORMAL)
    if payment.transaction_id != row.transaction_id:
        yield _found(Difference.OTHER_TRANSACTION, row, here=refund.amount)
    elif _is_other(refund.amount, row.refund_amount, row.refund_settled):
        yield _found(Difference.REFUND_OTHER_AMOUNT, row, here=refund.amount)
    elif refund.is_out_of_hand:
        if there is RefundState.SUCCESS:
            yield _found(Difference.REFUND_TWICE, row, here=refund.amount)
    elif _RANK[there] > _RANK[refund.state]:
        yield _found(Difference.REFUND_BEHIND, row, here=refund.amount)
    elif refund.state is RefundState.SUCCESS and there is RefundState.ABNORMAL:
        yield _found(Difference.REFUND_OTHER_STATE, row, here=refund.amount)


def _missing_payments(order: Order, paid: Sequence[BillRow], day: BillDay) -> Iterator[Finding]:
    """What the bill has under its number or its transaction is not missing, whatever else is wrong with it."""
    there = {row.transaction_id for row in paid} | {row.out_trade_no for row in paid}
    for payment in order.payments:
        is_there = payment.transaction_id in there or payment.out_trade_no in there
        if payment.is_paid and day.holds(payment.paid_at_ms) and not is_there:
            yield Finding(
                difference=Difference.NOT_IN_BILL,
                out_trade_no=payment.out_trade_no,
                transaction_id=payment.transaction_id,
                here=payment.amount,
            )


def _missing_refunds(order: Order, refunded: Sequence[BillRow], day: BillDay) -> Iterator[Finding]:
    """A refund that failed moved no money; and near midnight our clock may name another day than the bill's."""
    there = {row.out_refund_no for row in refunded}
    for payment, refund in _refunds_of(order):
        is_due_there = refund.state in (RefundState.PROCESSING, RefundState.SUCCESS)
        if is_due_there and day.holds(refund.accepted_at_ms) and refund.out_refund_no not in there:
            yield Finding(
                difference=Difference.REFUND_NOT_IN_BILL,
                out_trade_no=payment.out_trade_no,
                transaction_id=payment.transaction_id,
                out_refund_no=refund.out_refund_no,
                here=refund.amount,
            )


def _payment_of(order: Order, row: BillRow) -> Payment | None:
    """Return the payment by this transaction or, if there is none, the attempt of this number."""
    by_transaction = (p for p in order.payments if p.is_paid and p.transaction_id == row.transaction_id)
    by_number = (p for p in order.payments if p.out_trade_no == row.out_trade_no)
    return next(by_transaction, None) or next(by_number, None)


def _refunds_of(order: Order) -> Iterator[tuple[Payment, Refund]]:
    return ((payment, refund) for payment in order.payments for refund in payment.refunds)


def _is_other(here: Fen, asked: Fen | None, settled: Fen) -> bool:
    """In the older layout only what was settled is told, and a coupon makes that less."""
    return settled > here if asked is None else asked != here


def _found(difference: Difference, row: BillRow, *, here: Fen | None = None) -> Finding:
    is_refund = bool(row.out_refund_no or row.refund_id)
    asked, settled = (row.refund_amount, row.refund_settled) if is_refund else (row.amount, row.settled)
    return Finding(
        difference=difference,
        out_trade_no=row.out_trade_no,
        transaction_id=row.transaction_id,
        out_refund_no=row.out_refund_no,
        here=here,
        there=settled if asked is None else asked,
    )
