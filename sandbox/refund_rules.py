"""What WeChat demands of a refund before any money goes back. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from sandbox.order import Order, OrderRefused, Refund
from sandbox.order_rules import is_notify_url, require

MAX_REFUNDS: Final = 50
REFUND_GAP_MS: Final = 60 * 1000
REFUNDABLE_MS: Final = 365 * 24 * 3600 * 1000
DEFAULT_ACCOUNT: Final = "REFUND_SOURCE_UNSETTLED_FUNDS"

_FEE: Final = re.compile(r"[1-9][0-9]{0,9}")
_MAX_DETAIL: Final = 6000
_TRANSACTION_ID: Final = re.compile(r"[0-9]{28}")
_FORMS: Final[Mapping[str, Callable[[str], object]]] = {
    "out_refund_no": re.compile(r"[0-9A-Za-z_\-|*@]{1,64}").fullmatch,
    "total_fee": _FEE.fullmatch,
    "refund_fee": _FEE.fullmatch,
    "refund_fee_type": "CNY".__eq__,
    "refund_account": frozenset({DEFAULT_ACCOUNT, "REFUND_SOURCE_RECHARGE_FUNDS"}).__contains__,
    "notify_url": is_notify_url,
    "detail": lambda text: len(text) <= _MAX_DETAIL,
}


def check_refund_request(fields: Mapping[str, str]) -> None:
    """
    Return when every field of a refund has the form WeChat demands.

    Raises:
        BadParameter: One is missing or too long.
        OrderRefused: PARAM_ERROR or INVALID_TRANSACTIONID.
    """
    require(fields, "out_refund_no", "total_fee", "refund_fee")
    if not fields.get("transaction_id"):
        require(fields, "out_trade_no")
    for name, is_good in _FORMS.items():
        if fields.get(name) and not is_good(fields[name]):
            raise OrderRefused("PARAM_ERROR", f"参数错误：{name}")
    check_transaction_id(fields)


def check_transaction_id(fields: Mapping[str, str]) -> None:
    """
    Return when transaction_id, if there, looks like one.

    Raises:
        OrderRefused: INVALID_TRANSACTIONID.
    """
    transaction_id = fields.get("transaction_id")
    if transaction_id and not _TRANSACTION_ID.fullmatch(transaction_id):
        raise OrderRefused("INVALID_TRANSACTIONID", "无效transaction_id")


def check_repeat(order: Order, first: Order, before: Refund, *, total_fee: int, refund_fee: int) -> None:
    """
    Return when a used out_refund_no asks again for what it got.

    Args:
        first: The order whose refund `before` is.

    Raises:
        OrderRefused: INVALID_REQUEST for another order, REFUND_FEE_MISMATCH for other amounts.
    """
    if order.out_trade_no != first.out_trade_no:
        raise OrderRefused("INVALID_REQUEST", "商户退款单号已用于其他订单")
    if (order.total_fee, before.refund_fee) != (total_fee, refund_fee):
        raise OrderRefused("REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致，请核实后再试")


def check_refundable(order: Order, *, total_fee: int, refund_fee: int, now_ms: float) -> None:
    """
    Return when this much of the order may go back now under a new number.

    Raises:
        OrderRefused: ORDERNOTEXIST, TRADE_OVERDUE, INVALID_REQUEST, ERROR or FREQUENCY_LIMITED.
    """
    if not order.transaction_id:
        raise OrderRefused("ORDERNOTEXIST", "订单不存在或未支付")
    if now_ms > order.paid_at_ms + REFUNDABLE_MS:
        raise OrderRefused("TRADE_OVERDUE", "订单已经超过可退款的最大期限")
    if total_fee != order.total_fee:
        raise OrderRefused("INVALID_REQUEST", "订单金额不一致")
    left = order.refundable_fee(now_ms)
    if not left:
        raise OrderRefused("ERROR", "订单已全额退款")
    if refund_fee > left:
        raise OrderRefused("INVALID_REQUEST", "退款金额大于可退金额")
    if len(order.refunds) >= MAX_REFUNDS:
        raise OrderRefused("ERROR", f"一笔订单最多退款{MAX_REFUNDS}次")
    if order.refunds and now_ms < order.refunds[-1].asked_at_ms + REFUND_GAP_MS:
        raise OrderRefused("FREQUENCY_LIMITED", "同一笔订单多次退款须间隔1分钟")
