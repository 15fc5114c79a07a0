"""
One day's bill out of the ledger, for both APIs.

It is in the making from nine the next morning, Beijing time, and there from ten for three months.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from sandbox.bill import Row, payment_row, refund_row, write_bill
from sandbox.bill_faults import bend_bill
from sandbox.clock import beijing_time, read_beijing_time
from sandbox.fault_kinds import BILL_KINDS
from sandbox.faults import Fault
from sandbox.world import World

_HOUR_MS: Final = 3600 * 1000
_DAY_MS: Final = 24 * _HOUR_MS
_BEGUN_AFTER_MS: Final = _DAY_MS + 9 * _HOUR_MS
_READY_AFTER_MS: Final = _DAY_MS + 10 * _HOUR_MS
_KEPT_MS: Final = 92 * _DAY_MS

# bill_type -> the 交易状态 of its rows; nobody here pays by recharge.
STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "ALL": ("SUCCESS", "REFUND", "REVOKED"),
    "SUCCESS": ("SUCCESS",),
    "REFUND": ("REFUND",),
    "RECHARGE_REFUND": (),
}


class Lack(Enum):
    """Why there is no bill."""

    BAD_DATE = "bill_date"
    NONE = "none"
    CREATING = "creating"


class NoBill(Exception):
    def __init__(self, lack: Lack) -> None:
        super().__init__(lack)
        self.lack = lack


def day_bill(world: World, *, bill_date: str, bill_type: str, fault: Fault | None) -> bytes:
    """
    Return the text of a day's bill, differing from the ledger as the fault has it.

    Args:
        bill_date: yyyyMMdd.
        bill_type: One of STATES.

    Raises:
        NoBill: It says why.
    """
    try:
        midnight_ms = read_beijing_time(f"{bill_date}000000")
    except ValueError as error:
        raise NoBill(Lack.BAD_DATE) from error
    _refuse_unless_ready(world.clock.now_ms() - midnight_ms)
    every_row: Sequence[Row] = [*_payments(world, bill_date), *_refunds(world, bill_date)]
    if fault is not None and fault.kind in BILL_KINDS:
        noon_ms = midnight_ms + _DAY_MS / 2
        every_row = bend_bill(every_row, fault, ledger=world.ledger, merchant=world.merchant, noon_ms=noon_ms)
    rows = sorted((row for row in every_row if row["交易状态"] in STATES[bill_type]), key=lambda row: row["交易时间"])
    if not rows:
        raise NoBill(Lack.NONE)
    return write_bill(bill_type, rows)


def _refuse_unless_ready(age_ms: float) -> None:
    if not _BEGUN_AFTER_MS <= age_ms < _KEPT_MS:
        raise NoBill(Lack.NONE)
    if age_ms < _READY_AFTER_MS:
        raise NoBill(Lack.CREATING)


def _payments(world: World, bill_date: str) -> list[Row]:
    paid = (order for order in world.ledger if order.transaction_id)
    return [payment_row(order, world.merchant) for order in paid if _day(order.paid_at_ms) == bill_date]


def _refunds(world: World, bill_date: str) -> list[Row]:
    """A refund that was closed moved no money."""
    now_ms = world.clock.now_ms()
    return [
        refund_row(order, refund, world.merchant, now_ms=now_ms)
        for order in world.ledger
        for refund in order.refunds
        if _day(refund.asked_at_ms) == bill_date and not refund.is_closed(now_ms)
    ]


def _day(at_ms: float) -> str:
    return beijing_time(at_ms)[:8]
