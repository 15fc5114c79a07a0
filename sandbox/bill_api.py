"""API v2's downloadbill: text or gzip when there is a bill, unsigned XML when there is none."""

import gzip
from collections.abc import Mapping
from typing import Final

from sandbox import flat_xml
from sandbox.day_bill import STATES, Lack, NoBill, day_bill
from sandbox.fault_kinds import PLAIN
from sandbox.order_rules import BadParameter
from sandbox.pay_api import Fields, NotTrusted, PayApiHandler, WronglySigned, not_trusted
from sandbox.web import Answer

_LACKS: Final[Mapping[Lack, str]] = {
    Lack.BAD_DATE: "data format error",
    Lack.NONE: "No Bill Exist",
    Lack.CREATING: "Bill Creating",
}
_ERROR_CODES: Final[Mapping[str, str]] = {_LACKS[Lack.NONE]: "20002"}


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
        except NoBill as error:
            return _failure(_LACKS[error.lack])
        self.content_type = "text/plain; charset=utf-8"
        if fields.get("tar_type") and not (self.fault and self.fault.kind == PLAIN):
            self.content_type = "application/x-gzip"
            bill = gzip.compress(bill, mtime=0)
        return Answer(bill, "SUCCESS")

    def refuse(self, code: str | int, message: str) -> Answer:
        return _failure(str(code))

    def _bill(self, fields: Fields) -> bytes:
        if not fields.get("bill_date") or not fields.get("bill_type"):
            raise _BillRefused("missing parameter")
        if fields["bill_type"] not in STATES:
            raise _BillRefused("invalid bill_type")
        if fields.get("tar_type", "") not in ("", "GZIP"):
            raise _BillRefused("data format error")
        bill_date, bill_type = fields["bill_date"], fields["bill_type"]
        return day_bill(self.world, bill_date=bill_date, bill_type=bill_type, fault=self.fault)


def _failure(message: str) -> Answer:
    fields = {"return_code": "FAIL", "return_msg": message}
    if message in _ERROR_CODES:
        fields["error_code"] = _ERROR_CODES[message]
    return Answer(flat_xml.write(fields), message)
