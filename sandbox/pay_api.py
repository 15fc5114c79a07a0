"""
API v2 of the pay host: unifiedorder, orderquery, closeorder.

A request that cannot be trusted or read is answered with return_code FAIL, unsigned; a business refusal with
result_code FAIL, signed by the request's own algorithm.
"""

from typing import Final

from sandbox import flat_xml, signing
from sandbox.clock import beijing_time, read_beijing_time
from sandbox.h5_page import mweb_url
from sandbox.order import Order, OrderRefused
from sandbox.order_rules import TRADE_TYPES, BadParameter, check_order, check_time_expire, require
from sandbox.web import Answer, WeChatCallHandler

Fields = dict[str, str]

# API v2 has no probes, serials or times: whatever spoils an answer's signature makes it one by another key.
_BAD_SIGNS: Final = frozenset({"bad_sign", "probe", "serial", "stale"})


class NotTrusted(Exception):
    """The transport answer is no; the text is return_msg."""


class WronglySigned(NotTrusted):
    """Not by this merchant's key, or changed on the way."""


class PayApiHandler(WeChatCallHandler):
    """A subclass turns trusted fields into the business part of the answer."""

    content_type = "text/xml; charset=utf-8"

    def get(self) -> None:
        self._send(not_trusted("REQUIRE_POST_METHOD"))

    async def post(self) -> None:
        await self.answer_call()

    def act(self, fields: Fields) -> Fields:
        """
        Do what was asked and return the answer's own fields.

        Raises:
            OrderRefused: Answered with result_code FAIL.
            BadParameter: Answered with return_code FAIL.
        """
        raise NotImplementedError

    def perform(self) -> Answer:
        try:
            fields = self.trusted_fields()
            return self._business_answer(fields)
        except (flat_xml.BadXml, BadParameter, NotTrusted) as error:
            return not_trusted(str(error))

    def refuse(self, code: str | int, message: str) -> Answer:
        try:
            fields = self.trusted_fields()
        except (flat_xml.BadXml, BadParameter, NotTrusted) as error:
            return not_trusted(str(error))
        return self._seal(fields, _refusal(str(code), message))

    def trusted_fields(self) -> Fields:
        """
        Return the request's fields once merchant and signature are right.

        Raises:
            BadXml, BadParameter, NotTrusted: Answered with return_code FAIL.
        """
        fields = flat_xml.read(self.request.body)
        merchant = self.world.merchant
        require(fields, "appid", "mch_id", "nonce_str", "sign")
        if fields["mch_id"] != merchant.mch_id:
            raise NotTrusted("mch_id参数格式错误" if not fields["mch_id"].isdigit() else "MCHID_NOT_EXIST")
        sign_type = fields.get("sign_type") or signing.MD5
        if sign_type not in signing.SIGN_TYPES:
            raise NotTrusted("sign_type参数格式错误")
        if not signing.is_signed(fields, merchant.api_key, sign_type):
            raise WronglySigned("签名错误")
        return fields

    def _business_answer(self, fields: Fields) -> Answer:
        try:
            if not self._is_bound(fields):
                raise OrderRefused("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
            own = {"result_code": "SUCCESS", **self.act(fields)}
        except OrderRefused as refused:
            own = _refusal(refused.code, refused.message)
        return self._seal(fields, own)

    def _is_bound(self, fields: Fields) -> bool:
        merchant, trade_type = self.world.merchant, fields.get("trade_type", "")
        if trade_type in TRADE_TYPES:
            return merchant.may_order(fields["appid"], trade_type)
        return fields["appid"] in merchant.appids

    def _seal(self, asked: Fields, own: Fields) -> Answer:
        fault_kind = self.fault.kind if self.fault else ""
        fields = {
            "return_code": "SUCCESS",
            "return_msg": "OK",
            "appid": asked["appid"],
            "mch_id": asked["mch_id"],
            "device_info": asked.get("device_info", ""),
            "nonce_str": signing.nonce(),
            **own,
        }
        fields = {name: value for name, value in fields.items() if value}
        if fault_kind != "unsigned":
            key = signing.nonce() if fault_kind in _BAD_SIGNS else self.world.merchant.api_key
            fields["sign"] = signing.sign(fields, key, asked.get("sign_type") or signing.MD5)
        summary = own.get("err_code", "SUCCESS")
        out_trade_no, out_refund_no = asked.get("out_trade_no", ""), asked.get("out_refund_no", "")
        return Answer(flat_xml.write(fields), summary, out_trade_no=out_trade_no, out_refund_no=out_refund_no)


class UnifiedOrderHandler(PayApiHandler):
    def act(self, fields: Fields) -> Fields:
        check_order(fields)
        if fields["trade_type"] == "JSAPI" and not self.world.users.is_openid(fields["openid"], fields["appid"]):
            raise BadParameter("appid and openid not match")
        if not self.world.ledger.knows(fields["out_trade_no"]):
            check_time_expire(fields, now_ms=self.world.clock.now_ms())
        time_expire = fields.get("time_expire")
        order = self.world.ledger.place(fields, expires_at_ms=read_beijing_time(time_expire) if time_expire else 0.0)
        return {
            "trade_type": order.trade_type,
            "prepay_id": order.prepay_id,
            **({"code_url": order.code_url} if order.trade_type == "NATIVE" else {}),
            **({"mweb_url": mweb_url(self.request, order)} if order.trade_type == "MWEB" else {}),
        }


class OrderQueryHandler(PayApiHandler):
    def act(self, fields: Fields) -> Fields:
        if not fields.get("transaction_id"):
            require(fields, "out_trade_no")
        order = self.world.ledger.find(
            transaction_id=fields.get("transaction_id", ""), out_trade_no=fields.get("out_trade_no", "")
        )
        trade_state = order.trade_state(self.world.clock.now_ms())
        return _paid(order, trade_state) if order.transaction_id else _unpaid(order, trade_state)


class CloseOrderHandler(PayApiHandler):
    def act(self, fields: Fields) -> Fields:
        require(fields, "out_trade_no")
        self.world.ledger.close(fields["out_trade_no"])
        return {"result_msg": "OK"}


def _unpaid(order: Order, trade_state: str) -> Fields:
    return {
        "out_trade_no": order.out_trade_no,
        "attach": order.asked.get("attach", ""),
        "trade_state": trade_state,
        "trade_state_desc": "订单已关闭" if trade_state == "CLOSED" else "订单未支付",
    }


def _paid(order: Order, trade_state: str) -> Fields:
    return {
        "device_info": order.asked.get("device_info", ""),
        "openid": order.openid,
        "is_subscribe": "N",
        "trade_type": order.asked["trade_type"],
        "trade_state": trade_state,
        "bank_type": "OTHERS",
        "total_fee": str(order.total_fee),
        "fee_type": "CNY",
        "cash_fee": str(order.total_fee),
        "cash_fee_type": "CNY",
        "transaction_id": order.transaction_id,
        "out_trade_no": order.out_trade_no,
        "attach": order.asked.get("attach", ""),
        "time_end": beijing_time(order.paid_at_ms),
        "trade_state_desc": "订单发生过退款" if trade_state == "REFUND" else "支付成功",
    }


def _refusal(code: str, message: str) -> Fields:
    return {"result_code": "FAIL", "err_code": code, "err_code_des": message}


def not_trusted(message: str) -> Answer:
    """Return the unsigned answer to a request that cannot be trusted or read."""
    return Answer(flat_xml.write({"return_code": "FAIL", "return_msg": message}), message)
