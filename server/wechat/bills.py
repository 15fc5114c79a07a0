"""
The trade bill of a day: the call that asks for it, and its bytes read into rows whose sums are checked.

A bill is text in a shape of its own, `name,name` above rows of `` `value,`value ``, plain or gzipped; where there is
none, WeChat answers XML instead. Amounts are yuan and become whole fen exactly, or the bill is refused. Columns are
found by name, so both the 27 of today and the 24 of merchants from before 2018 are read. Nothing in a bill is signed:
it comes by TLS alone.

Source: WeChat Pay API v2, "download bill".
"""

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from server.domain.bill import Bill, BillRow
from server.domain.money import Fen
from server.errors import MalformedBill, MalformedNotify, NoBill, WeChatRefused, WeChatUnavailable
from server.wechat.beijing import from_beijing
from server.wechat.flat_xml import read_flat_xml
from server.wechat.v2_calls import signed_request
from server.wechat.v2_sign import Merchant

MAX_BILL_BYTES: Final = 64 * 1024 * 1024  # as received, and as unpacked

_GZIP: Final = b"\x1f\x8b"
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,8})?")

_COUNT: Final = "总交易单数"
_GOODS: Final = "商品名称"
_TEXTS: Final = {
    "appid": "公众账号ID",
    "mch_id": "商户号",
    "transaction_id": "微信订单号",
    "out_trade_no": "商户订单号",
    "openid": "用户标识",
    "trade_type": "交易类型",
    "trade_state": "交易状态",
    "fee_type": "货币种类",
    "refund_id": "微信退款单号",
    "out_refund_no": "商户退款单号",
    "refund_status": "退款状态",
    "goods": _GOODS,
}
_SETTLED: Final = "应结订单金额"
_REFUND_SETTLED: Final = "退款金额"
_AMOUNT: Final = "订单金额"
_REFUND_AMOUNT: Final = "申请退款金额"
_NEEDED: Final = frozenset({"交易时间", _SETTLED, _REFUND_SETTLED, *_TEXTS.values()})

# What the summary calls the sum of a column. Fees are left alone: they have fractions of a fen, and their sign on
# refund rows is nowhere written down.
_SUMS: Final = {
    "应结订单总金额": _SETTLED,
    "退款总金额": _REFUND_SETTLED,
    "充值券退款总金额": "充值券退款金额",
    "订单总金额": _AMOUNT,
    "申请退款总金额": _REFUND_AMOUNT,
}

_NONE_YET: Final = frozenset({"no bill exist"})  # also written "NO Bill Exist"
_LATER: Final = frozenset({"systemerror", "bill creating", "compressgzip error", "uncompressgzip error"})


def downloadbill(day: date, merchant: Merchant, *, nonce: str) -> bytes:
    """Return the call that asks for all trades of a day in Beijing; there is a bill from 10:00 the next day."""
    params = {
        "appid": merchant.appid,
        "mch_id": merchant.mch_id,
        "bill_date": f"{day:%Y%m%d}",
        "bill_type": "ALL",
        "tar_type": "GZIP",
    }
    return signed_request(params, merchant, nonce)


def read_bill(body: bytes) -> Bill:
    """
    Read what `downloadbill` was answered, plain or gzipped. A large one is seconds of work.

    Raises:
        NoBill: No trade on this day, or it is too early to ask.
        WeChatUnavailable: WeChat is still writing it, or stumbled: ask again later.
        WeChatRefused: WeChat says no; somebody has to look at the request.
        MalformedBill: Anything that is not a bill whose sums agree.
    """
    text = _decode(unpacked(body))
    if text.startswith("<"):
        raise _failure(text)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) < 3:
        raise MalformedBill("too few lines")
    header, *rows, summary_header, summary = lines
    tables = [_read_row(_names(header), row) for row in rows]
    _check_summary(_read_row(_summary_names(summary_header), summary), tables)
    return Bill(tuple(map(_row, tables)))


def unpacked(body: bytes) -> bytes:
    """
    Return the text of a bill, gzipped or plain.

    Raises:
        MalformedBill: It cannot be unpacked, or is too large.
    """
    if not body.startswith(_GZIP):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(body, MAX_BILL_BYTES + 1)
    except zlib.error:
        raise MalformedBill("gzip") from None
    if len(text) > MAX_BILL_BYTES:
        raise MalformedBill("too large")
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedBill("gzip")
    return text


def _decode(data: bytes) -> str:
    if len(data) > MAX_BILL_BYTES:
        raise MalformedBill("too large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedBill("not UTF-8") from None  # the cause would carry the bill into the log


def _failure(text: str) -> Exception:
    try:
        fields = read_flat_xml(text.encode())
    except MalformedNotify:
        return MalformedBill("neither bill nor answer")
    message = fields.get("return_msg", "")
    if fields.get("return_code") != "FAIL":
        return MalformedBill("neither bill nor answer")
    if message.lower() in _NONE_YET:
        return NoBill()
    if message.lower() in _LATER:
        return WeChatUnavailable("downloadbill", message)
    return WeChatRefused("downloadbill", "FAIL", message[:128])


def _names(header: str) -> list[str]:
    names = header.split(",")
    if len(set(names)) != len(names):
        raise MalformedBill("a column twice")
    missing = _NEEDED.difference(names)
    if missing:
        raise MalformedBill(f"no column {min(missing)}")
    return names


def _summary_names(header: str) -> list[str]:
    names = header.split(",")
    if names[0] != _COUNT or len(set(names)) != len(names):
        raise MalformedBill("no summary")
    return names


def _read_row(names: Sequence[str], line: str) -> dict[str, str]:
    if not line.startswith("`"):
        raise MalformedBill("a row without a backtick")
    values = line[1:].split(",`")
    extra = len(values) - len(names)
    if extra > 0 and _GOODS in names:
        # People choose the titles of their orders: one that holds the separator must not cost us the day's bill.
        at = names.index(_GOODS)
        values[at : at + extra + 1] = [",`".join(values[at : at + extra + 1])]
    if len(values) != len(names):
        raise MalformedBill("a row of another length")
    return dict(zip(names, values, strict=True))


def _row(table: Mapping[str, str]) -> BillRow:
    return BillRow(
        traded_at_ms=_time(table["交易时间"]),
        settled=_fen(table, _SETTLED),
        amount=_fen(table, _AMOUNT) if _AMOUNT in table else None,
        refund_settled=_fen(table, _REFUND_SETTLED),
        refund_amount=_fen(table, _REFUND_AMOUNT) if _REFUND_AMOUNT in table else None,
        **{field: _text(table[name]) for field, name in _TEXTS.items()},
    )


def _check_summary(summary: Mapping[str, str], tables: Sequence[Mapping[str, str]]) -> None:
    if _number(summary[_COUNT]) != len(tables):  # WeChat writes 45 as 45.0
        raise MalformedBill("the summary counts other rows")
    sums: Counter[str] = Counter()
    columns = {total: column for total, column in _SUMS.items() if total in summary}
    for table in tables:
        for total, column in columns.items():
            sums[total] += _fen(table, column)
    for total in columns:
        if _fen(summary, total) != sums[total]:
            raise MalformedBill(f"the rows do not add up to {total}")


def _text(value: str) -> str:
    return "" if value == "0" else value  # how a bill says that there is none


def _time(value: str) -> int:
    try:
        if _TIME.fullmatch(value):
            return from_beijing(re.sub("[-: ]", "", value))
    except ValueError:
        pass
    raise MalformedBill("a time that is none")


def _fen(table: Mapping[str, str], name: str) -> Fen:
    fen = _number(table.get(name, "")) * 100
    if fen != int(fen):
        raise MalformedBill("a part of a fen")
    return Fen(int(fen))


def _number(value: str) -> Decimal:
    if not _DECIMAL.fullmatch(value):
        raise MalformedBill("an amount that is none")
    return Decimal(value)
