"""The pay sheet: checks what the page hands to WeixinJSBridge as WeChat's client does, and lets the person decide."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sandbox.ledger import PayRefused
from sandbox.order import Order, OrderRefused
from sandbox.pay_sign import is_jsapi_signed
from sandbox.web import Handler
from sandbox.world import World

OUTCOMES: Final = ("ok", "cancel", "fail")
_PARAMS: Final = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")


def err_msg(outcome: str) -> str:
    """Return the res.err_msg of getBrandWCPayRequest; `outcome` is ok, cancel or fail."""
    return f"get_brand_wcpay_request:{outcome}"


def check_call(params: Mapping[str, Any], world: World) -> Order:
    """
    Return the order a getBrandWCPayRequest call may pay.

    Raises:
        PayRefused: With the message WeChat's client shows.
    """
    for name in _PARAMS:
        # A timeStamp that is a number fails on iOS, so it fails here.
        if not isinstance(params.get(name), str) or not params[name]:
            raise PayRefused("missing_parameter", f"调用支付JSAPI缺少参数：{name}")
    package = params["package"]
    try:
        order = world.ledger.find(prepay_id=package.removeprefix("prepay_id="))
    except OrderRefused as error:
        raise PayRefused("unknown_prepay_id", "调用支付JSAPI缺少参数：total_fee") from error
    if not package.startswith("prepay_id=") or order.trade_type != "JSAPI" or params["appId"] != order.appid:
        raise PayRefused("unknown_prepay_id", "调用支付JSAPI缺少参数：total_fee")
    if not is_jsapi_signed(order, params, world.keys):
        raise PayRefused("bad_pay_sign", "支付验证签名失败")
    world.ledger.check_payable(order, order.openid)
    return order


class CashierHandler(Handler):
    """The sheet is framed only by the origin that asks for it, and tells only that origin how it ended."""

    def get(self) -> None:
        origin = self.get_query_argument("origin", "")
        if not _ORIGIN.fullmatch(origin):
            self.send_error(400)
            return
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"base-uri 'none'; form-action 'none'; frame-ancestors {origin}",
        )
        raw_params = self.get_query_argument("params", "")
        try:
            order = check_call(_object(raw_params), self.world)
        except PayRefused as refused:
            self.render("cashier_refused.html", origin=origin, message=refused.message)
            return
        self.render(
            "cashier.html",
            origin=origin,
            params=raw_params,
            merchant_name=self.world.merchant.name,
            body=order.asked["body"],
            yuan=f"{order.total_fee // 100}.{order.total_fee % 100:02}",
            payer=self.world.users.anywhere(order.openid),
        )

    def post(self) -> None:
        """The person has pressed a button: `{"params":{…},"outcome"}` -> `{"err_msg","err_desc"?}`."""
        asked = _object(self.request.body)
        outcome = asked.get("outcome")
        params = asked.get("params")
        if outcome not in OUTCOMES or not isinstance(params, dict):
            self.send_error(400)
            return
        try:
            order = check_call(params, self.world)
            self.world.decide(order, order.openid, outcome)
        except PayRefused as refused:
            self.finish({"err_msg": err_msg("fail"), "err_desc": refused.message})
            return
        self.finish({"err_msg": err_msg(outcome)})


def _object(raw: str | bytes) -> dict[str, Any]:
    """Return the JSON object, or an empty one for anything else: its missing parts are refused by name."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
