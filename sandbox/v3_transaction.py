"""An order and its refunds as API v3 tells them: in answers to queries and inside notifies. Pure."""

from datetime import datetime
from typing import Any, Final

from sandbox.clock import BEIJING
from sandbox.merchant import Merchant
from sandbox.order import Order, Refund

_STATE_WORDS: Final = {
    "SUCCESS": "支付成功",
    "REFUND": "转入退款",
    "NOTPAY": "订单未支付",
    "CLOSED": "订单已关闭",
}
# API v2's word -> API v3's.
REFUND_STATES: Final = {"CHANGE": "ABNORMAL", "REFUNDCLOSE": "CLOSED"}
_FUNDS_ACCOUNTS: Final = {"REFUND_SOURCE_RECHARGE_FUNDS": "AVAILABLE"}


def rfc3339(at_ms: float) -> str:
    """Write Unix milliseconds as API v3 does: whole seconds at UTC+8."""
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).isoformat(timespec="seconds")


def transaction(order: Order, merchant: Merchant, trade_state: str) -> dict[str, Any]:
    """Return the order; while it is unpaid only its names, its state and its total are told."""
    told: dict[str, Any] = {
        "appid": order.appid,
        "mchid": merchant.mch_id,
        "out_trade_no": order.out_trade_no,
        "trade_state": trade_state,
        "trade_state_desc": _STATE_WORDS[trade_state],
        "amount": {"total": order.total_fee},
    }
    if not order.transaction_id:
        return told
    return {
        **told,
        "transaction_id": order.transaction_id,
        "trade_type": order.trade_type,
        "bank_type": "OTHERS",
        "attach": order.asked.get("attach", ""),
        "success_time": rfc3339(order.paid_at_ms),
        "payer": {"openid": order.openid},
        "amount": {
            "total": order.total_fee,
            "payer_total": order.total_fee,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def refund_answer(order: Order, refund: Refund, now_ms: float) -> dict[str, Any]:
    """Return a refund as the call that asked for it and the query tell it."""
    status = refund.status(now_ms)
    done = {"success_time": rfc3339(refund.settles_at_ms)} if status == "SUCCESS" else {}
    return {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        **done,
        "create_time": rfc3339(refund.asked_at_ms),
        "status": REFUND_STATES.get(status, status),
        "funds_account": _FUNDS_ACCOUNTS.get(refund.refund_account, "UNSETTLED"),
        "amount": {
            **_refund_amount(order, refund),
            "from": [],
            "settlement_refund": refund.refund_fee,
            "settlement_total": order.total_fee,
            "discount_refund": 0,
            "currency": "CNY",
        },
        "promotion_detail": [],
    }


def refund_resource(order: Order, refund: Refund, merchant: Merchant) -> dict[str, Any]:
    """Return an ended refund as its notify tells it."""
    done = {"success_time": rfc3339(refund.settles_at_ms)} if refund.outcome == "SUCCESS" else {}
    return {
        "mchid": merchant.mch_id,
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": REFUND_STATES.get(refund.outcome, refund.outcome),
        **done,
        "user_received_account": "支付用户零钱",
        "amount": _refund_amount(order, refund),
    }


def _refund_amount(order: Order, refund: Refund) -> dict[str, int]:
    total, back = order.total_fee, refund.refund_fee
    return {"total": total, "refund": back, "payer_total": total, "payer_refund": back}
