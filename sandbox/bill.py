"""
One day's bill in WeChat's layout: UTF-8 with BOM, CRLF after every line, a backtick before every value, yuan. Pure.

A payment stands in the bill of the day it was paid, a refund in that of the day it was asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from sandbox.clock import beijing_timestamp
from sandbox.merchant import Merchant
from sandbox.order import Order, Refund

# Column -> text, as it stands in the bill without its backtick.
Row = dict[str, str]

_BEFORE_REFUND: Final = (
    *("交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识"),
    *("交易类型", "交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额"),
)
_REFUND_TIMES: Final = ("退款申请时间", "退款成功时间")
_REFUND: Final = ("微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态")
_GOODS: Final = ("商品名称", "商户数据包", "手续费", "费率", "订单金额")

COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "ALL": (*_BEFORE_REFUND, *_REFUND, *_GOODS, "申请退款金额", "费率备注"),
    "SUCCESS": (*_BEFORE_REFUND, *_GOODS, "费率备注"),
    "REFUND": (*_BEFORE_REFUND, *_REFUND_TIMES, *_REFUND, *_GOODS, "申请退款金额", "费率备注"),
}
# Each sum's name -> the column it adds up.
_SUMS: Final[Mapping[str, str]] = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
_RATE_PER_MILLE: Final = 6


def payment_row(order: Order, merchant: Merchant) -> Row:
    """Return the row of a paid order."""
    return {
        **_shared_columns(order, merchant),
        "交易时间": beijing_timestamp(order.paid_at_ms),
        "交易状态": "SUCCESS",
        "应结订单金额": yuan(order.total_fee),
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": yuan(0),
        "退款类型": "",
        "退款状态": "",
        "手续费": _service_fee(order.total_fee),
        "订单金额": yuan(order.total_fee),
        "申请退款金额": yuan(0),
    }


def refund_row(order: Order, refund: Refund, merchant: Merchant, *, now_ms: float) -> Row:
    """Return the row of a refund; the service fee comes back with it."""
    status = refund.status(now_ms)
    return {
        **_shared_columns(order, merchant),
        "交易时间": beijing_timestamp(refund.asked_at_ms),
        "交易状态": "REFUND",
        "应结订单金额": yuan(0),
        "退款申请时间": beijing_timestamp(refund.asked_at_ms),
        "退款成功时间": beijing_timestamp(refund.settles_at_ms) if status == "SUCCESS" else "",
        "微信退款单号": refund.refund_id,
        "商户退款单号": refund.out_refund_no,
        "退款金额": yuan(refund.refund_fee),
        "退款类型": "ORIGINAL",
        "退款状态": status,
        "手续费": f"-{_service_fee(refund.refund_fee)}",
        "订单金额": yuan(0),
        "申请退款金额": yuan(refund.refund_fee),
    }


def write_bill(bill_type: str, rows: Sequence[Row]) -> bytes:
    """
    Return the bill's text; its summary adds up exactly these rows.

    Args:
        bill_type: ALL, SUCCESS or REFUND.
    """
    columns = COLUMNS[bill_type]
    sums = [f"{sum(Decimal(row[column]) for row in rows):.2f}" for column in _SUMS.values()]
    lines = [
        ",".join(columns),
        *(_quoted(row[column] for column in columns) for row in rows),
        ",".join(("总交易单数", *_SUMS)),
        _quoted([f"{len(rows)}.0", *sums]),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig")


def yuan(fen: int) -> str:
    """Write an amount as a bill does."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02}"


def _shared_columns(order: Order, merchant: Merchant) -> Row:
    return {
        "公众账号ID": order.asked.get("appid") or merchant.appid,
        "商户号": merchant.mch_id,
        "特约商户号": "0",
        "设备号": order.asked.get("device_info", ""),
        "微信订单号": order.transaction_id,
        "商户订单号": order.out_trade_no,
        "用户标识": order.openid,
        "交易类型": order.asked["trade_type"],
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "代金券金额": yuan(0),
        "充值券退款金额": yuan(0),
        "商品名称": _one_line(order.asked["body"]),
        "商户数据包": _one_line(order.asked.get("attach", "")),
        "费率": f"0.{_RATE_PER_MILLE}0%",
        "费率备注": "",
    }


def _service_fee(fen: int) -> str:
    """Return WeChat's part of an amount, rounded to the fen and written with five places."""
    return yuan((fen * _RATE_PER_MILLE + 500) // 1000) + "000"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _quoted(values: Iterable[str]) -> str:
    return ",".join(f"`{value}" for value in values)
