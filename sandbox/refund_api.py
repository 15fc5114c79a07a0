"""
API v2's refund and refundquery.

WeChat asks for the merchant's client certificate before it takes a refund. The simulator speaks plain http on loopback,
where there is none, and takes a refund without it.
"""

import re
from typing import Final

from sandbox.clock import beijing_timestamp
from sandbox.order import Order, OrderRefused, Refund
from sandbox.order_rules import require
from sandbox.pay_api import Fields, PayApiHandler
from sandbox.refund_rules import check_refund_request, check_transaction_id

PAGE_SIZE: Final = 10

_OFFSET: Final = re.compile(r"[0-9]{1,9}")


class RefundHandler(PayApiHandler):
    """Success means accepted. An `outcome` fault is used up by its call even if nothing new is accepted."""

    def act(self, fields: Fields) -> Fields:
        check_refund_request(fields)
        outcome = self.fault["state"] if self.fault is not None and self.fault.kind == "outcome" else "SUCCESS"
        order, refund = self.world.refund(fields, outcome=outcome)
        refund_fee = str(refund.refund_fee)
        return {
            **_order_fields(order),
            "out_refund_no": refund.out_refund_no,
            "refund_id": refund.refund_id,
            "refund_fee": refund_fee,
            "cash_refund_fee": refund_fee,
            "coupon_refund_fee": "0",
            "coupon_refund_count": "0",
        }


class RefundQueryHandler(PayApiHandler):
    """By refund number one refund; by order number a page of them, the oldest first."""

    def act(self, fields: Fields) -> Fields:
        check_transaction_id(fields)
        if fields.get("refund_id") or fields.get("out_refund_no"):
            order, refund = self.world.ledger.find_refund(
                refund_id=fields.get("refund_id", ""), out_refund_no=fields.get("out_refund_no", "")
            )
            return self._page(order, (refund,))
        order = self._refunded_order(fields)
        offset = _read_offset(fields, len(order.refunds))
        page = self._page(order, order.refunds[offset : offset + PAGE_SIZE])
        return {"total_refund_count": str(len(order.refunds)), **page}

    def _refunded_order(self, fields: Fields) -> Order:
        if not fields.get("transaction_id"):
            require(fields, "out_trade_no")
        try:
            order = self.world.ledger.find(
                transaction_id=fields.get("transaction_id", ""), out_trade_no=fields.get("out_trade_no", "")
            )
        except OrderRefused as refused:
            raise OrderRefused("REFUNDNOTEXIST", refused.message) from refused
        if not order.refunds:
            raise OrderRefused("REFUNDNOTEXIST", "订单没有退款")
        return order

    def _page(self, order: Order, refunds: tuple[Refund, ...]) -> Fields:
        now_ms = self.world.clock.now_ms()
        page = {**_order_fields(order), "refund_count": str(len(refunds))}
        for n, refund in enumerate(refunds):
            page |= {f"{name}_{n}": value for name, value in _refund_fields(refund, now_ms).items()}
        return page


def _read_offset(fields: Fields, total: int) -> int:
    offset = fields.get("offset") or "0"
    if not _OFFSET.fullmatch(offset) or int(offset) >= total:
        raise OrderRefused("PARAM_ERROR", "参数错误：offset")
    return int(offset)


def _order_fields(order: Order) -> Fields:
    total_fee = str(order.total_fee)
    return {
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "total_fee": total_fee,
        "fee_type": "CNY",
        "cash_fee": total_fee,
    }


def _refund_fields(refund: Refund, now_ms: float) -> Fields:
    status = refund.status(now_ms)
    return {
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_channel": "ORIGINAL",
        "refund_fee": str(refund.refund_fee),
        "coupon_refund_fee": "0",
        "coupon_refund_count": "0",
        "refund_status": status,
        "refund_account": refund.refund_account,
        "refund_recv_accout": "支付用户零钱",
        "refund_success_time": beijing_timestamp(refund.settles_at_ms) if status == "SUCCESS" else "",
    }
