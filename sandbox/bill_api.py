"""
API v2's downloadbill: text or gzip when there is a bill, unsigned XML when there is none.

A day's bill is in the making from nine the next morning, Beijing time, and there from ten for three months.
"""

import gzip
from collections.abc import Mapping, Sequence
from typing import Final

from sandbox import flat_xml
from sandbox.bill import Row, payment_row, refund_row, write_bill
from sandbox.bill_faults import bend_bill
from sandbox.clock import beijing_time, read_beijing_time
from sandbox.fault_kinds import BILL_KINDS
from sandbox.order_rules import BadParameter
from sandbox.pay_api import Fields, NotTrusted, PayApiHandler, WronglySigned, not_trusted
from sandbox.web import Answer

_HOUR_MS: Final = 3600 * 1000
_DAY_MS: Final = 24 * _HOUR_MS
_BEGUN_AFTER_MS: Final = _DAY_MS + 9 * _HOUR_MS
_READY_AFTER_MS: Final = _DAY_MS + 10 * _HOUR_MS
_KEPT_MS: Final = 92 * _DAY_MS

_NO_BILL: Final = "No Bill Exist"
_ERROR_CODES: Final[Mapping[str, str]] = {_NO_BILL: "20002"}
# bill_type -> the 交易状态 of its rows; nobody here pays by recharge.
_STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "ALL": ("SUCCESS", "REFUND"),
    "SUCCESS": ("SUCCESS",),
    "REFUND": ("REFUND",),
    "RECHARGE_REFUND": (),
}


class _BillRefused(Exception):
    """The text is return_msg."""


class DownloadBillHandler(PayApiHandler):
    def perform(self) -> Answer:
        try:
            fields = self.trusted_fields()
            bill = self._bill(fields)
        except WronglySigned:
            return _failure("SIGN ERROR")
        except BadParameter:
            return _failure("missing parameter")
        except (flat_xml.BadXml, NotTrusted) as error:
            return not_trusted(str(error))
        except _BillRefused as error:
            return _failure(str(error))
        self.content_type = "text/plain; charset=utf-8"
        if fields.get("tar_type"):
            self.content_type = "application/x-gzip"
            bill = gzip.compress(bill, mtime=0)
        return Answer(bill, "SUCCESS")

    def refuse(self, code: str | int, message: str) -> Answer:
        return _failure(str(code))

    def _bill(self, fields: Fields) -> bytes:
        if not fields.get("bill_date") or not fields.get("bill_type"):
            raise _BillRefused("missing parameter")
        bill_type = fields["bill_type"]
        if bill_type not in _STATES:
            raise _BillRefused("invalid bill_type")
        if fields.get("tar_type", "") not in ("", "GZIP"):
            raise _BillRefused("data format error")
        midnight_ms = _read_midnight(fields["bill_date"])
        self._refuse_unless_ready(midnight_ms)
        every_row = self._rows(fields["bill_date"], midnight_ms)
        rows = sorted(
            (row for row in every_row if row["交易状态"] in _STATES[bill_type]), key=lambda row: row["交易时间"]
        )
        if not rows:
            raise _BillRefused(_NO_BILL)
        return write_bill(bill_type, rows)

    def _refuse_unless_ready(self, midnight_ms: float) -> None:
        age_ms = self.world.clock.now_ms() - midnight_ms
        if not _BEGUN_AFTER_MS <= age_ms < _KEPT_MS:
            raise _BillRefused(_NO_BILL)
        if age_ms < _READY_AFTER_MS:
            raise _BillRefused("Bill Creating")

    def _rows(self, bill_date: str, midnight_ms: float) -> Sequence[Row]:
        world = self.world
        rows = [*self._payments(bill_date), *self._refunds(bill_date)]
        if self.fault is None or self.fault.kind not in BILL_KINDS:
            return rows
        noon_ms = midnight_ms + _DAY_MS / 2
        return bend_bill(rows, self.fault, ledger=world.ledger, merchant=world.merchant, noon_ms=noon_ms)

    def _payments(self, bill_date: str) -> list[Row]:
        paid = (order for order in self.world.ledger if order.transaction_id)
        merchant = self.world.merchant
        return [payment_row(order, merchant) for order in paid if _day(order.paid_at_ms) == bill_date]

    def _refunds(self, bill_date: str) -> list[Row]:
        """A refund that was closed moved no money."""
        now_ms, merchant = self.world.clock.now_ms(), self.world.merchant
        return [
            refund_row(order, refund, merchant, now_ms=now_ms)
            for order in self.world.ledger
            for refund in order.refunds
            if _day(refund.asked_at_ms) == bill_date and not refund.is_closed(now_ms)
        ]


def _day(at_ms: float) -> str:
    return beijing_time(at_ms)[:8]


def _read_midnight(bill_date: str) -> float:
    try:
        return read_beijing_time(f"{bill_date}000000")
    except ValueError as error:
        raise _BillRefused("data format error") from error


def _failure(message: str) -> Answer:
    fields = {"return_code": "FAIL", "return_msg": message}
    if message in _ERROR_CODES:
        fields["error_code"] = _ERROR_CODES[message]
    return Answer(flat_xml.write(fields), message)
