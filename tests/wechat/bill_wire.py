"""A trade bill as WeChat writes it, made without any code of ours. `BILL` is a fixed example, byte by byte."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

_LINES: Final = """\
交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,\
微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注
`2026-11-21 16:24:13,`wxd930ea5d5a258f4f,`10000100,`0,`WEB,`4200000215202611210261405420,`PAY20261121000000001,\
`oUpF8uMEb4qRXf22hE3X68TekukE,`JSAPI,`SUCCESS,`OTHERS,`CNY,`9.90,`0.10,`0,`0,`0.00,`0.00,`,`,`帮我付,测试订单,`o=42,\
`0.06000,`0.60%,`10.00,`0.00,`
`2026-11-21 18:00:00,`wxd930ea5d5a258f4f,`10000100,`0,`WEB,`4200000215202611210261405420,`PAY20261121000000001,\
`oUpF8uMEb4qRXf22hE3X68TekukE,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50000408942018111907145868882,\
`RF20261121000000001,`9.90,`0.00,`ORIGINAL,`SUCCESS,`帮我付,测试订单,`o=42,`-0.06000,`0.60%,`0.00,`10.00,`
总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额
`2.0,`9.90,`9.90,`0.00,`0.00,`10.00,`10.00
"""
BILL: Final = b"\xef\xbb\xbf" + _LINES.replace("\n", "\r\n").encode()

_HEADER, _PAID, _REFUNDED, *_ = _LINES.splitlines()
COLUMNS: Final = tuple(_HEADER.split(","))
OLD_COLUMNS: Final = COLUMNS[:24]
PAID: Final = dict(zip(COLUMNS, _PAID[1:].split(",`"), strict=True))
REFUNDED: Final = dict(zip(COLUMNS, _REFUNDED[1:].split(",`"), strict=True))

_SUMS: Final = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}


def on_the_wire(
    rows: Sequence[Mapping[str, str]],
    *,
    columns: Sequence[str] = COLUMNS,
    sums: Mapping[str, str] | None = None,
) -> bytes:
    """Write these rows and their sums, some of which may be replaced."""
    given = sums or {}
    summary = {"总交易单数": f"{len(rows)}.0"}
    for total, column in _SUMS.items():
        if column in columns:
            summary[total] = given[total] if total in given else str(sum(Decimal(row[column]) for row in rows))
    summary |= given
    lines = [
        ",".join(columns),
        *(",".join(f"`{row.get(column, '')}" for column in columns) for row in rows),
        ",".join(summary),
        ",".join(f"`{value}" for value in summary.values()),
    ]
    return ("\ufeff" + "".join(f"{line}\r\n" for line in lines)).encode()


def a_bill(**sums: str) -> bytes:
    """Write the example's rows above a summary some of whose values are replaced."""
    return on_the_wire([PAID, REFUNDED], sums=sums)
