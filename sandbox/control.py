"""The control API for people and tests: JSON, for this machine only."""

from typing import Any, Final

import msgspec
from tornado.web import HTTPError

from sandbox.cashier import OUTCOMES, err_msg
from sandbox.clock import beijing_time
from sandbox.fault_kinds import KINDS
from sandbox.faults import BadFault
from sandbox.ledger import PayRefused
from sandbox.order import Order, OrderRefused, Refund
from sandbox.order_rules import is_loopback
from sandbox.users import User
from sandbox.web import Handler

MAX_ADVANCE_S: Final = 400 * 24 * 3600
_ORDER_NAMES: Final = ("out_trade_no", "prepay_id", "code_url")


class ControlError(HTTPError):
    """Answered as `{"error":{"code","message"}}` with its HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status)
        self.code = code
        self.message = message


class ControlHandler(Handler):
    def prepare(self) -> None:
        if not is_loopback(self.request.remote_ip or ""):
            raise ControlError(403, "not_local", "the control API answers this machine only")
        # A page of some other site that is open in the same browser must not pay, advance or break anything.
        if self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise ControlError(403, "cross_site", "the control API does not answer other sites")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        code, message = (error.code, error.message) if isinstance(error, ControlError) else ("error", self._reason)
        self.finish({"error": {"code": code, "message": message}})

    def answer(self, body: object) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(msgspec.json.encode(body))

    def asked(self) -> dict[str, Any]:
        try:
            return msgspec.json.decode(self.request.body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise ControlError(400, "bad_json", "the body must be a JSON object") from error


class PayHandler(ControlHandler):
    """
    Somebody pays an order, whatever its scene; `openid` may be his under any of the merchant's appids.

    `in_sheet` stands for a payer who opened the password sheet before the order's time ran out, `late` for a bank that
    took his money before the order was closed and says so only now.
    """

    def post(self) -> None:
        asked = self.asked()
        outcome = asked.get("outcome", "ok")
        if outcome not in OUTCOMES:
            raise ControlError(400, "bad_outcome", f"outcome must be one of {', '.join(OUTCOMES)}")
        try:
            order = self._order(asked)
        except OrderRefused as refused:
            raise ControlError(404, "order_not_found", refused.message) from refused
        openid = str(asked.get("openid", ""))
        in_sheet = asked.get("in_sheet") is True
        try:
            if asked.get("late") is True:
                order = self.world.pay_late(order)
            else:
                order = self.world.decide(order, self.world.payer(order, openid), outcome, in_sheet=in_sheet)
        except PayRefused as refused:
            raise ControlError(409, refused.code, refused.message) from refused
        state = order.trade_state(self.world.clock.now_ms())
        transaction = {"transaction_id": order.transaction_id} if order.transaction_id else {}
        self.answer({"err_msg": err_msg(outcome), "trade_state": state, **transaction})

    def _order(self, asked: dict[str, Any]) -> Order:
        names = {name: asked[name] for name in _ORDER_NAMES if isinstance(asked.get(name), str)}
        if len(names) != 1:
            raise ControlError(400, "bad_request", f"give one of {', '.join(_ORDER_NAMES)}, as a string")
        return self.world.ledger.find(**names)


class LedgerHandler(ControlHandler):
    def get(self) -> None:
        now_ms = self.world.clock.now_ms()
        ledger = self.world.ledger
        self.answer(
            {
                "orders": [_line(order, now_ms) for order in ledger],
                "refunds": [_refund_line(order, refund, now_ms) for order in ledger for refund in order.refunds],
            }
        )


class FaultsHandler(ControlHandler):
    """DELETE takes `?target=` to spare the other targets' faults."""

    def get(self) -> None:
        self.answer({"faults": self.world.faults.as_json()})

    def post(self) -> None:
        try:
            self.world.faults.add(self.asked())
        except BadFault as error:
            raise ControlError(400, "bad_fault", str(error)) from error
        self.get()

    def delete(self) -> None:
        target = self.get_query_argument("target", None)
        if target is not None and target not in KINDS:
            raise ControlError(400, "bad_fault", f"target: must be one of {', '.join(KINDS)}")
        self.world.faults.clear(target)
        self.get()


class CallsHandler(ControlHandler):
    """What was asked, what was sent, and what is still to be sent."""

    def get(self) -> None:
        journal = self.world.journal
        pending = self.world.notifier.pending()
        self.answer({"calls": list(journal.calls), "notifies": list(journal.notifies), "pending": pending})


class ClockHandler(ControlHandler):
    def get(self) -> None:
        self.answer({"now_ms": self.world.clock.now_ms()})

    def post(self) -> None:
        advance_s = self.asked().get("advance_s")
        if not isinstance(advance_s, int | float) or isinstance(advance_s, bool) or not 0 <= advance_s <= MAX_ADVANCE_S:
            raise ControlError(400, "bad_advance", f"advance_s must be a number from 0 to {MAX_ADVANCE_S}")
        self.world.clock.advance(advance_s)
        self.get()


class UsersHandler(ControlHandler):
    """`openid` is under the official account's appid; `openids` names everybody's other ones by appid."""

    def get(self) -> None:
        self.answer([self._line(user) for user in self.world.users])

    def _line(self, user: User) -> dict[str, object]:
        users, appids = self.world.users, self.world.merchant.appids
        return {
            "openid": user.openid,
            "nickname": user.nickname,
            "headimgurl": f"{self.request.protocol}://{self.request.host}/_sim/avatar/{user.avatar}.svg",
            "openids": {appid: users.openid_of(user, appid) for appid in appids},
        }


def _line(order: Order, now_ms: float) -> dict[str, object]:
    line: dict[str, object] = {
        "out_trade_no": order.out_trade_no,
        "openid": order.openid,
        "total_fee": order.total_fee,
        "trade_state": order.trade_state(now_ms),
    }
    if order.transaction_id:
        line |= {"transaction_id": order.transaction_id, "time_end": beijing_time(order.paid_at_ms)}
    return line


def _refund_line(order: Order, refund: Refund, now_ms: float) -> dict[str, object]:
    return {
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": order.out_trade_no,
        "refund_fee": refund.refund_fee,
        "refund_status": refund.status(now_ms),
    }
