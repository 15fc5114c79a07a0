"""API v3's bill: an answer that says where to fetch it and what it hashes to, and the fetching, which nobody signs."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.bill_shelf import Shelved
from sandbox.day_bill import STATES, Lack, NoBill, day_bill
from sandbox.v3_errors import V3Refused, bad_field
from sandbox.v3_web import V3GetHandler
from sandbox.web import Answer

DOWNLOAD_PATH: Final = "/v3/billdownload/file"

_BILL_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_LACKS: Final[Mapping[Lack, tuple[str, str]]] = {
    Lack.BAD_DATE: ("INVALID_REQUEST", "账单日期有误"),
    Lack.NONE: ("NO_STATEMENT_EXIST", "账单文件不存在"),
    Lack.CREATING: ("STATEMENT_CREATING", "账单生成中"),
}


class TradeBillHandler(V3GetHandler):
    """The hash is of the text, also when the file is fetched as gzip."""

    def act(self, *names: str) -> dict[str, Any]:
        bill_type = self.get_query_argument("bill_type", "ALL")
        tar_type = self.get_query_argument("tar_type", "")
        if bill_type not in STATES:
            raise bad_field("bill_type", f"须为{'、'.join(STATES)}之一", value=bill_type, location="query")
        if tar_type not in ("", "GZIP"):
            raise bad_field("tar_type", "须为GZIP", value=tar_type, location="query")
        bill = self._bill(bill_type)
        file = Shelved(gzip.compress(bill, mtime=0) if tar_type else bill, "application/x-gzip" if tar_type else "")
        token = self.world.bills.put(file)
        return {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(bill, usedforsecurity=False).hexdigest(),
            "download_url": f"{self.request.protocol}://{self.request.host}{DOWNLOAD_PATH}?token={token}",
        }

    def _bill(self, bill_type: str) -> bytes:
        bill_date = _BILL_DATE.fullmatch(self.get_query_argument("bill_date", ""))
        try:
            if bill_date is None:
                raise NoBill(Lack.BAD_DATE)
            day = "".join(bill_date.groups())
            return day_bill(self.world, bill_date=day, bill_type=bill_type, fault=self.fault)
        except NoBill as error:
            raise V3Refused(*_LACKS[error.lack]) from error


class BillFileHandler(V3GetHandler):
    """Asked for with a signature like any call, answered without one."""

    def perform(self) -> Answer:
        try:
            self.check_trust()
            file = self.world.bills.get(self.get_query_argument("token", ""))
        except V3Refused as refused:
            return self._refusal(refused)
        if file is None:
            return self._refusal(V3Refused("INVALID_REQUEST", "下载地址已失效"))
        self.content_type = file.content_type or "text/plain; charset=utf-8"
        return Answer(file.content, "SUCCESS")
