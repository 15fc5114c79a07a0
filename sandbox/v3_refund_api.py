"""API v3's refunds: the signature alone authenticates, no client certificate is asked for."""

from typing import Any

from sandbox.order import OrderRefused
from sandbox.refund_rules import check_transaction_id
from sandbox.v3_errors import V3Refused
from sandbox.v3_order_rules import V3Refund, refund_parameters
from sandbox.v3_transaction import refund_answer
from sandbox.v3_web import V3GetHandler, V3PostHandler


class RefundHandler(V3PostHandler):
    """Success means accepted; an `outcome` fault says how the refund ends."""

    def act(self, *names: str) -> dict[str, Any]:
        asked = self.read(V3Refund)
        self.out_trade_no, self.out_refund_no = asked.out_trade_no, asked.out_refund_no
        parameters = refund_parameters(asked)
        check_transaction_id(parameters)
        outcome = self.fault["state"] if self.fault is not None and self.fault.kind == "outcome" else "SUCCESS"
        try:
            order, refund = self.world.refund(parameters, outcome=outcome, api="v3")
        except OrderRefused as refused:
            if refused.code == "ORDERNOTEXIST":
                raise V3Refused("RESOURCE_NOT_EXISTS", refused.message, number="268512771") from refused
            raise
        return refund_answer(order, refund, self.world.clock.now_ms())


class RefundQueryHandler(V3GetHandler):
    def act(self, *names: str) -> dict[str, Any]:
        self.out_refund_no = names[0]
        order, refund = self.world.ledger.find_refund(out_refund_no=names[0])
        self.out_trade_no = order.out_trade_no
        return refund_answer(order, refund, self.world.clock.now_ms())
