"""API v3's orders: prepay for every scene, query by either number, close."""

from typing import Any

import msgspec

from sandbox.h5_page import mweb_url
from sandbox.order import Order, OrderRefused
from sandbox.v3_errors import V3Refused
from sandbox.v3_order_rules import TRADE_TYPES, V3Order, expires_at_ms, order_parameters
from sandbox.v3_transaction import transaction
from sandbox.v3_web import V3GetHandler, V3PostHandler


class PrepayHandler(V3PostHandler):
    """The path says which scene the order is for."""

    def act(self, *names: str) -> dict[str, Any]:
        asked = self.read(V3Order)
        self.out_trade_no = asked.out_trade_no
        trade_type = TRADE_TYPES[names[0]]
        parameters = order_parameters(asked, trade_type)
        self.check_mchid(asked.mchid)
        if not self.world.merchant.may_order(asked.appid, trade_type):
            raise V3Refused("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配", number="268445527")
        if trade_type == "JSAPI" and not self.world.users.is_openid(parameters["openid"], asked.appid):
            raise V3Refused("OPENID_MISMATCH", "openid和appid不匹配")
        until_ms = expires_at_ms(asked, self.world.clock.now_ms())
        return self._prepay(self.world.ledger.place(parameters, api="v3", expires_at_ms=until_ms))

    def _prepay(self, order: Order) -> dict[str, Any]:
        if order.trade_type == "NATIVE":
            return {"code_url": order.code_url}
        if order.trade_type == "MWEB":
            return {"h5_url": mweb_url(self.request, order)}
        return {"prepay_id": order.prepay_id}


class _QueryHandler(V3GetHandler):
    def tell(self, order: Order) -> dict[str, Any]:
        self.out_trade_no = order.out_trade_no
        return transaction(order, self.world.merchant, order.trade_state(self.world.clock.now_ms()))


class QueryByOutTradeNoHandler(_QueryHandler):
    def act(self, *names: str) -> dict[str, Any]:
        self.out_trade_no = names[0]
        self.check_mchid(self.get_query_argument("mchid", ""), location="query")
        return self.tell(self.world.ledger.find(out_trade_no=names[0]))


class QueryByTransactionIdHandler(_QueryHandler):
    def act(self, *names: str) -> dict[str, Any]:
        self.check_mchid(self.get_query_argument("mchid", ""), location="query")
        return self.tell(self.world.ledger.find(transaction_id=names[0]))


class _CloseBody(msgspec.Struct):
    mchid: str


class CloseHandler(V3PostHandler):
    """API v3 closes an order of any age, and one that is closed already."""

    def act(self, *names: str) -> None:
        self.out_trade_no = names[0]
        self.check_mchid(self.read(_CloseBody).mchid)
        try:
            self.world.ledger.close(names[0], not_before_ms=0)
        except OrderRefused as refused:
            if refused.code != "ORDERCLOSED":
                raise
