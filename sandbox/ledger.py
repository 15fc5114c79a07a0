"""
The orders and the money: the oracle every money test is held against.

    (no order) ──unifiedorder──> NOTPAY ──pay──> SUCCESS ──refund──> REFUND
                                   └──closeorder / 7 days──> CLOSED

A passed time_expire only stops paying: the state stays NOTPAY until somebody closes. A refund that is on its way has
left SUCCESS already; one that ends as REFUNDCLOSE gives the state and the money back.
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from sandbox.clock import Clock, beijing_time
from sandbox.order import Order, OrderRefused, Refund
from sandbox.records import Records
from sandbox.refund_rules import DEFAULT_ACCOUNT, check_refundable, check_repeat

CLOSE_NOT_BEFORE_MS: Final = 5 * 60 * 1000

# Everything else must be the same when an order is sent again.
_FRESH_EACH_TIME: Final = frozenset({"nonce_str", "sign"})
_OTHER_PAYER: Final = "下单账号与支付账号不一致"
_OTHER_PAYER_WORDS: Final[Mapping[str, str]] = {"NATIVE": "商家订单信息有误"}
_TOO_LATE: Final = "支付会话已过期"
_TOO_LATE_WORDS: Final[Mapping[str, str]] = {"JSAPI": "调用支付JSAPI缺少参数：total_fee", "NATIVE": "二维码已失效"}


class PayRefused(OrderRefused):
    """The cashier says no; `message` is what WeChat's client shows."""


class Ledger:
    """Every change is recorded before the method returns."""

    def __init__(self, records: Records, clock: Clock, *, refund_after_s: float) -> None:
        self._records = records
        self._clock = clock
        self._refund_after_ms = refund_after_s * 1000
        self._orders: dict[str, Order] = {}
        self._numbers: dict[str, str] = {}  # prepay_id, code_url, transaction_id -> out_trade_no
        self._refunded: dict[str, str] = {}  # out_refund_no -> out_trade_no
        self._refund_ids: dict[str, str] = {}  # refund_id -> out_refund_no
        for order in sorted((order for _, order in records.all("order", Order)), key=lambda order: order.number):
            self._index(order)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def find(
        self, *, out_trade_no: str = "", prepay_id: str = "", code_url: str = "", transaction_id: str = ""
    ) -> Order:
        """
        Return the order by the first name given: transaction_id, prepay_id, code_url, out_trade_no.

        Raises:
            OrderRefused: ORDERNOTEXIST.
        """
        other = transaction_id or prepay_id or code_url
        order = self._orders.get(self._numbers.get(other, "") if other else out_trade_no)
        if order is None:
            raise OrderRefused("ORDERNOTEXIST", "订单不存在")
        return order

    def knows(self, out_trade_no: str) -> bool:
        return out_trade_no in self._orders

    def place(self, parameters: Mapping[str, str], *, api: str = "v2", expires_at_ms: float = 0.0) -> Order:
        """
        Return the new order, or the old one with a valid prepay_id when the very same order is sent again.

        Every sending of a NATIVE order makes a new code and voids the one before.

        Args:
            parameters: By API v2's names.
            expires_at_ms: What time_expire means; fixed by the first sending.

        Raises:
            OrderRefused: ORDERPAID, ORDERCLOSED, or INVALID_REQUEST for other parameters under the same number.
        """
        asked = {name: value for name, value in parameters.items() if value and name not in _FRESH_EACH_TIME}
        now_ms = self._clock.now_ms()
        before = self._orders.get(asked["out_trade_no"])
        if before is None:
            number, prepay_id = len(self._orders) + 1, _new_prepay_id(now_ms)
            return self._keep(Order(number, asked, now_ms, prepay_id, now_ms, api=api, expires_at_ms=expires_at_ms))
        self._refuse_unless_open(before)
        if (before.api, before.asked) != (api, asked):
            raise OrderRefused("INVALID_REQUEST", "201 商户订单号重复")
        if before.is_past_time_expire(now_ms):
            raise OrderRefused("ORDERCLOSED", "订单已过期")
        if before.is_prepay_valid(now_ms) and before.trade_type != "NATIVE":
            return before
        self._numbers.pop(before.code_url, None)
        return self._keep(msgspec.structs.replace(before, prepay_id=_new_prepay_id(now_ms), prepay_at_ms=now_ms))

    def close(self, out_trade_no: str, *, not_before_ms: float = CLOSE_NOT_BEFORE_MS) -> Order:
        """
        Return the closed order.

        Args:
            not_before_ms: How old the order must be.

        Raises:
            OrderRefused: ORDERNOTEXIST, ORDERPAID, ORDERCLOSED, or TRADE_STATE_ERROR when it is too young.
        """
        order = self.find(out_trade_no=out_trade_no)
        self._refuse_unless_open(order)
        if self._clock.now_ms() < order.created_at_ms + not_before_ms:
            raise OrderRefused("TRADE_STATE_ERROR", "订单生成后不能马上调用关单接口，最短调用时间间隔为5分钟")
        return self._keep(msgspec.structs.replace(order, closed=True))

    def check_payable(self, order: Order, openid: str, *, in_sheet: bool = False) -> None:
        """
        Return when this person may pay this order now.

        Args:
            in_sheet: He opened the password sheet in time, so a passed time_expire no longer stops him.

        Raises:
            PayRefused: With the message of WeChat's client.
        """
        now_ms = self._clock.now_ms()
        if order.transaction_id:
            raise PayRefused("order_paid", "该订单已支付")
        if order.trade_state(now_ms) == "CLOSED":
            raise PayRefused("order_closed", "订单已关闭")
        if order.openid and openid != order.openid:
            raise PayRefused("payer_mismatch", _OTHER_PAYER_WORDS.get(order.trade_type, _OTHER_PAYER))
        if not in_sheet and order.is_past_time_expire(now_ms):
            raise PayRefused("order_expired", "订单已过期")
        if not in_sheet and not order.is_prepay_valid(now_ms):
            raise PayRefused("prepay_expired", _TOO_LATE_WORDS.get(order.trade_type, _TOO_LATE))

    def open(self, order: Order, openid: str, *, in_sheet: bool = False) -> Order:
        """
        Return the order as this person has it on his screen: nobody else can pay it any more.

        Raises:
            PayRefused: As `check_payable`.
        """
        self.check_payable(order, openid, in_sheet=in_sheet)
        if order.openid:
            return order
        return self._keep(msgspec.structs.replace(order, payer_openid=openid))

    def pay(self, order: Order, openid: str, *, in_sheet: bool = False) -> Order:
        """
        Return the paid order; the money has moved.

        Raises:
            PayRefused: As `check_payable`.
        """
        return self._take_money(self.open(order, openid, in_sheet=in_sheet))

    def pay_late(self, order: Order) -> Order:
        """
        Return the paid order, closed or not: the bank had taken the money before, and says so only now.

        Raises:
            PayRefused: It is paid already.
        """
        if order.transaction_id:
            raise PayRefused("order_paid", "该订单已支付")
        return self._take_money(order)

    def find_refund(self, *, refund_id: str = "", out_refund_no: str = "") -> tuple[Order, Refund]:
        """
        Return a refund by the first number given, and the order it belongs to.

        Raises:
            OrderRefused: REFUNDNOTEXIST.
        """
        number = self._refund_ids.get(refund_id, "") if refund_id else out_refund_no
        if not self.knows_refund(number):
            raise OrderRefused("REFUNDNOTEXIST", "退款订单查询失败")
        order = self._orders[self._refunded[number]]
        return order, order.refund(number)

    def knows_refund(self, out_refund_no: str) -> bool:
        return out_refund_no in self._refunded

    def refund(self, parameters: Mapping[str, str], *, outcome: str, api: str = "v2") -> tuple[Order, Refund]:
        """
        Return the order with the accepted refund, or with the old one when the very same refund is asked for again.

        Args:
            parameters: By API v2's names and in good form, see `check_refund_request`.
            outcome: What becomes of it once it has been on its way for a while: SUCCESS, CHANGE or REFUNDCLOSE.

        Raises:
            OrderRefused: As `check_repeat` and `check_refundable`; nothing has moved.
        """
        order = self.find(
            transaction_id=parameters.get("transaction_id", ""), out_trade_no=parameters.get("out_trade_no", "")
        )
        number = parameters["out_refund_no"]
        fees = {name: int(parameters[name]) for name in ("total_fee", "refund_fee")}
        if self.knows_refund(number):
            first, before = self.find_refund(out_refund_no=number)
            check_repeat(order, first, before, **fees)
            return order, before
        now_ms = self._clock.now_ms()
        check_refundable(order, **fees, now_ms=now_ms)
        new = Refund(
            out_refund_no=number,
            refund_id=_new_refund_id(now_ms),
            refund_fee=fees["refund_fee"],
            refund_account=parameters.get("refund_account") or DEFAULT_ACCOUNT,
            asked_at_ms=now_ms,
            settles_at_ms=now_ms + self._refund_after_ms,
            outcome=outcome,
            notify_url=parameters.get("notify_url", ""),
            api=api,
        )
        return self._keep(msgspec.structs.replace(order, refunds=(*order.refunds, new))), new

    def _take_money(self, order: Order) -> Order:
        now_ms = self._clock.now_ms()
        return self._keep(msgspec.structs.replace(order, transaction_id=_new_transaction_id(now_ms), paid_at_ms=now_ms))

    def _refuse_unless_open(self, order: Order) -> None:
        if order.transaction_id:
            raise OrderRefused("ORDERPAID", "该订单已支付")
        if order.trade_state(self._clock.now_ms()) == "CLOSED":
            raise OrderRefused("ORDERCLOSED", "订单已关闭")

    def _keep(self, order: Order) -> Order:
        self._records.put("order", order.out_trade_no, order)
        self._index(order)
        return order

    def _index(self, order: Order) -> None:
        number = order.out_trade_no
        self._orders[number] = order
        self._numbers[order.prepay_id] = number
        if order.trade_type == "NATIVE":
            self._numbers[order.code_url] = number
        if order.transaction_id:
            self._numbers[order.transaction_id] = number
        for refund in order.refunds:
            self._refunded[refund.out_refund_no] = number
            self._refund_ids[refund.refund_id] = refund.out_refund_no


def _new_prepay_id(now_ms: float) -> str:
    return "wx" + beijing_time(now_ms)[6:] + f"{secrets.randbelow(10**6):06}" + secrets.token_hex(9) + "0000"


def _new_transaction_id(now_ms: float) -> str:
    return f"4200{secrets.randbelow(10**6):06}{beijing_time(now_ms)[:8]}{secrets.randbelow(10**10):010}"


def _new_refund_id(now_ms: float) -> str:
    return f"5030{secrets.randbelow(10**6):06}{beijing_time(now_ms)[:8]}{secrets.randbelow(10**10):010}"
