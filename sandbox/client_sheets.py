"""
The pay sheets that no page opens: an app's SDK and a mini-program's wx.requestPayment, as calls for tests and tools.

Both check what the merchant's client hands over as WeChat's own does, before anybody is asked for money.
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.cashier import OUTCOMES, check_call
from sandbox.control import ControlError, ControlHandler
from sandbox.ledger import PayRefused
from sandbox.order import Order, OrderRefused
from sandbox.pay_sign import APP_PACKAGE, APP_PARAMS, is_app_signed

_ERR_CODES: Final[Mapping[str, int]] = {"ok": 0, "fail": -1, "cancel": -2}
_MINIPROGRAM_WORDS: Final[Mapping[str, str]] = {"ok": "ok", "cancel": "fail cancel", "fail": "fail"}


class _SheetHandler(ControlHandler):
    """`{"params":{…},"openid"?,"outcome"?}`; whose phone it is `openid` says, under any of the merchant's appids."""

    def check(self, params: dict[str, Any]) -> Order:
        """
        Return the order these parameters may pay.

        Raises:
            PayRefused: Their client would not open the sheet.
        """
        raise NotImplementedError

    def told(self, outcome: str, reason: str) -> dict[str, Any]:
        """Return what the merchant's client is told; `reason` is empty unless the sheet did not open."""
        raise NotImplementedError

    def post(self) -> None:
        asked = self.asked()
        params, outcome = asked.get("params"), asked.get("outcome", "ok")
        if outcome not in OUTCOMES or not isinstance(params, dict):
            raise ControlError(400, "bad_request", "give params, an object, and an outcome: ok, cancel or fail")
        try:
            order = self.check(params)
            self.world.decide(order, self.world.payer(order, str(asked.get("openid", ""))), outcome)
        except PayRefused as refused:
            self.answer(self.told("fail", refused.message))
        else:
            self.answer(self.told(outcome, ""))


class AppHandler(_SheetHandler):
    """An app's PayReq: answered with the SDK's errCode."""

    def check(self, params: dict[str, Any]) -> Order:
        for name in APP_PARAMS:
            if not isinstance(params.get(name), str) or not params[name]:
                raise PayRefused("missing_parameter", f"缺少参数：{name}")
        try:
            order = self.world.ledger.find(prepay_id=params["prepayid"])
        except OrderRefused as error:
            raise PayRefused("unknown_prepay_id", "支付会话不存在") from error
        expected = ("APP", order.appid, self.world.merchant.mch_id, APP_PACKAGE)
        if (order.trade_type, params["appid"], params["partnerid"], params["package"]) != expected:
            raise PayRefused("bad_parameter", "支付参数有误")
        if not is_app_signed(order, params, self.world.keys):
            raise PayRefused("bad_sign", "支付验证签名失败")
        return order

    def told(self, outcome: str, reason: str) -> dict[str, Any]:
        return {"errCode": _ERR_CODES[outcome], "errStr": reason}


class MiniprogramHandler(_SheetHandler):
    """A mini-program's requestPayment: its own appid is signed but not passed."""

    def check(self, params: dict[str, Any]) -> Order:
        return check_call({**params, "appId": self.world.merchant.miniprogram_appid}, self.world)

    def told(self, outcome: str, reason: str) -> dict[str, Any]:
        words = f"fail {reason}" if reason else _MINIPROGRAM_WORDS[outcome]
        return {"errMsg": f"requestPayment:{words}"}
