"""How a bill can be made to differ from the ledger: one row gone, strange, changed or doubled."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sandbox.bill import Row, payment_row, refund_row, yuan
from sandbox.faults import Fault
from sandbox.ledger import Ledger
from sandbox.merchant import Merchant
from sandbox.notify_body import FOREIGN_OPENID, FOREIGN_OUT_TRADE_NO
from sandbox.order import Order, OrderRefused, Refund
from sandbox.refund_notify_body import FOREIGN_OUT_REFUND_NO, FOREIGN_TRANSACTION_ID

_FOREIGN_FEE: Final = 1
_FOREIGN_REFUND_ID: Final = "5030000000000000000000000000"


def bend_bill(
    rows: Sequence[Row], fault: Fault, *, ledger: Ledger, merchant: Merchant, noon_ms: float
) -> Sequence[Row]:
    """
    Return the rows as the fault has them; a fault that names a number not in the bill changes nothing.

    Without a number the first payment or the first refund is meant. A strange row has happened at `noon_ms`.
    """
    if fault.kind == "extra":
        return [*rows, payment_row(_foreign_order(fault, noon_ms), merchant)]
    if fault.kind == "refund_extra":
        return [*rows, _foreign_refund_row(fault, ledger, merchant, noon_ms)]
    index = _meant(rows, fault)
    if index is None:
        return rows
    return [*rows[:index], *_BENT[fault.kind.removeprefix("refund_")](rows[index], fault), *rows[index + 1 :]]


def _meant(rows: Sequence[Row], fault: Fault) -> int | None:
    is_refund = fault.kind.startswith("refund_")
    state, column = ("REFUND", "商户退款单号") if is_refund else ("SUCCESS", "商户订单号")
    number = fault.get("out_refund_no" if is_refund else "out_trade_no", None)
    fitting = (i for i, row in enumerate(rows) if row["交易状态"] == state and number in (None, row[column]))
    return next(fitting, None)


def _missing(row: Row, fault: Fault) -> list[Row]:
    return []


def _doubled(row: Row, fault: Fault) -> list[Row]:
    return [row, row]


def _other_amount(row: Row, fault: Fault) -> list[Row]:
    is_refund = fault.kind == "refund_amount"
    columns = ("退款金额", "申请退款金额") if is_refund else ("应结订单金额", "订单金额")
    fen = fault.get("refund_fee" if is_refund else "total_fee", _fen(row[columns[0]]) + 1)
    return [{**row, **dict.fromkeys(columns, yuan(fen))}]


def _other(column: str, name: str, value: str) -> Callable[[Row, Fault], list[Row]]:
    """Return what writes the fault's `name`, or this value, into that column."""
    return lambda row, fault: [{**row, column: fault.get(name, value)}]


_BENT: Final[Mapping[str, Callable[[Row, Fault], list[Row]]]] = {
    "missing": _missing,
    "duplicate": _doubled,
    "amount": _other_amount,
    "openid": _other("用户标识", "openid", FOREIGN_OPENID),
    "transaction_id": _other("微信订单号", "transaction_id", FOREIGN_TRANSACTION_ID),
    "revoked": _other("交易状态", "trade_state", "REVOKED"),
    "status": _other("退款状态", "refund_status", "CHANGE"),
}


def _fen(text: str) -> int:
    return int(text.replace(".", ""))


def _foreign_order(fault: Fault, at_ms: float) -> Order:
    asked = {
        "out_trade_no": fault.get("out_trade_no", FOREIGN_OUT_TRADE_NO),
        "openid": FOREIGN_OPENID,
        "total_fee": str(fault.get("total_fee", _FOREIGN_FEE)),
        "trade_type": "JSAPI",
        "body": "外来订单",
    }
    return Order(0, asked, at_ms, "", at_ms, FOREIGN_TRANSACTION_ID, at_ms)


def _foreign_refund_row(fault: Fault, ledger: Ledger, merchant: Merchant, at_ms: float) -> Row:
    """Return a refund nobody asked the API for; of a known order if its number is named."""
    try:
        order = ledger.find(out_trade_no=fault.get("out_trade_no", ""))
    except OrderRefused:
        order = _foreign_order(fault, at_ms)
    refund = Refund(
        out_refund_no=fault.get("out_refund_no", FOREIGN_OUT_REFUND_NO),
        refund_id=_FOREIGN_REFUND_ID,
        refund_fee=fault.get("refund_fee", _FOREIGN_FEE),
        refund_account="",
        asked_at_ms=at_ms,
        settles_at_ms=at_ms,
    )
    return refund_row(order, refund, merchant, now_ms=at_ms)
