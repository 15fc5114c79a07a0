"""
The orders and the money: the oracle every money test is held against.

    (no order) ──unifiedorder──> NOTPAY ──pay──> SUCCESS
                                   └──closeorder / 7 days──> CLOSED

A passed time_expire only stops paying: the state stays NOTPAY until somebody closes.
"""

import secrets
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from sandbox.clock import Clock, beijing_time, read_beijing_time
from sandbox.records import Records

PREPAY_LIFE_MS: Final = 2 * 3600 * 1000
ORDER_LIFE_MS: Final = 7 * 24 * 3600 * 1000
CLOSE_NOT_BEFORE_MS: Final = 5 * 60 * 1000

# Everything else must be the same when an order is sent again.
_FRESH_EACH_TIME: Final = frozenset({"nonce_str", "sign"})


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """`asked` holds the unifiedorder parameters that re-entry compares; `number` counts orders from 1."""

    number: int
    asked: dict[str, str]
    created_at_ms: float
    prepay_id: str
    prepay_at_ms: float
    transaction_id: str = ""
    paid_at_ms: float = 0.0
    closed: bool = False

    @property
    def out_trade_no(self) -> str:
        return self.asked["out_trade_no"]

    @property
    def openid(self) -> str:
        return self.asked["openid"]

    @property
    def total_fee(self) -> int:
        """In fen."""
        return int(self.asked["total_fee"])

    @property
    def sign_type(self) -> str:
        return self.asked.get("sign_type") or "MD5"

    def trade_state(self, now_ms: float) -> str:
        if self.transaction_id:
            return "SUCCESS"
        if self.closed or now_ms >= self.created_at_ms + ORDER_LIFE_MS:
            return "CLOSED"
        return "NOTPAY"

    def is_past_time_expire(self, now_ms: float) -> bool:
        time_expire = self.asked.get("time_expire")
        return bool(time_expire) and now_ms > read_beijing_time(str(time_expire))

    def is_prepay_valid(self, now_ms: float) -> bool:
        return now_ms < self.prepay_at_ms + PREPAY_LIFE_MS


class OrderRefused(Exception):
    """The business answer is no; `code` and `message` are WeChat's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class PayRefused(OrderRefused):
    """The cashier says no; `message` is what WeChat's client shows."""


class Ledger:
    """Every change is recorded before the method returns."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        kept = sorted((order for _, order in records.all("order", Order)), key=lambda order: order.number)
        self._orders = {order.out_trade_no: order for order in kept}
        self._numbers = {order.prepay_id: order.out_trade_no for order in kept}
        self._numbers |= {order.transaction_id: order.out_trade_no for order in kept if order.transaction_id}

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def find(self, *, out_trade_no: str = "", prepay_id: str = "", transaction_id: str = "") -> Order:
        """
        Return the order by the first name given: transaction_id, prepay_id, out_trade_no.

        Raises:
            OrderRefused: ORDERNOTEXIST.
        """
        other = transaction_id or prepay_id
        order = self._orders.get(self._numbers.get(other, "") if other else out_trade_no)
        if order is None:
            raise OrderRefused("ORDERNOTEXIST", "订单不存在")
        return order

    def knows(self, out_trade_no: str) -> bool:
        return out_trade_no in self._orders

    def place(self, parameters: Mapping[str, str]) -> Order:
        """
        Return the new order, or the old one with a valid prepay_id when the very same order is sent again.

        Raises:
            OrderRefused: ORDERPAID, ORDERCLOSED, or INVALID_REQUEST for other parameters under the same number.
        """
        asked = {name: value for name, value in parameters.items() if value and name not in _FRESH_EACH_TIME}
        now_ms = self._clock.now_ms()
        before = self._orders.get(asked["out_trade_no"])
        if before is None:
            return self._keep(Order(len(self._orders) + 1, asked, now_ms, _new_prepay_id(now_ms), now_ms))
        self._refuse_unless_open(before)
        if before.asked != asked:
            raise OrderRefused("INVALID_REQUEST", "201 商户订单号重复")
        if before.is_past_time_expire(now_ms):
            raise OrderRefused("ORDERCLOSED", "订单已过期")
        if before.is_prepay_valid(now_ms):
            return before
        return self._keep(msgspec.structs.replace(before, prepay_id=_new_prepay_id(now_ms), prepay_at_ms=now_ms))

    def close(self, out_trade_no: str) -> Order:
        """
        Return the closed order.

        Raises:
            OrderRefused: ORDERNOTEXIST, ORDERPAID, ORDERCLOSED, or TRADE_STATE_ERROR sooner than five minutes after
                its creation.
        """
        order = self.find(out_trade_no=out_trade_no)
        self._refuse_unless_open(order)
        if self._clock.now_ms() < order.created_at_ms + CLOSE_NOT_BEFORE_MS:
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
        state = order.trade_state(now_ms)
        if state == "SUCCESS":
            raise PayRefused("order_paid", "该订单已支付")
        if state == "CLOSED":
            raise PayRefused("order_closed", "订单已关闭")
        if openid != order.openid:
            raise PayRefused("payer_mismatch", "下单账号与支付账号不一致")
        if not in_sheet and order.is_past_time_expire(now_ms):
            raise PayRefused("order_expired", "订单已过期")
        if not in_sheet and not order.is_prepay_valid(now_ms):
            raise PayRefused("prepay_expired", "调用支付JSAPI缺少参数：total_fee")

    def pay(self, order: Order, openid: str, *, in_sheet: bool = False) -> Order:
        """
        Return the paid order; the money has moved.

        Raises:
            PayRefused: As `check_payable`.
        """
        self.check_payable(order, openid, in_sheet=in_sheet)
        now_ms = self._clock.now_ms()
        return self._keep(msgspec.structs.replace(order, transaction_id=_new_transaction_id(now_ms), paid_at_ms=now_ms))

    def _refuse_unless_open(self, order: Order) -> None:
        state = order.trade_state(self._clock.now_ms())
        if state == "SUCCESS":
            raise OrderRefused("ORDERPAID", "该订单已支付")
        if state == "CLOSED":
            raise OrderRefused("ORDERCLOSED", "订单已关闭")

    def _keep(self, order: Order) -> Order:
        self._records.put("order", order.out_trade_no, order)
        self._orders[order.out_trade_no] = order
        self._numbers[order.prepay_id] = order.out_trade_no
        if order.transaction_id:
            self._numbers[order.transaction_id] = order.out_trade_no
        return order


def _new_prepay_id(now_ms: float) -> str:
    return "wx" + beijing_time(now_ms)[6:] + f"{secrets.randbelow(10**6):06}" + secrets.token_hex(9) + "0000"


def _new_transaction_id(now_ms: float) -> str:
    return f"4200{secrets.randbelow(10**6):06}{beijing_time(now_ms)[:8]}{secrets.randbelow(10**10):010}"
