"""
One server in a measurement: daifu or a peer, with everything that will be sent to it made beforehand.

A load asks for orders that wait to be paid; each is used once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.own_listener import check_listener
from benchmarks.raw_pages import Conversation
from sandbox import flat_xml, signing

NOTIFY_PATH: Final = "/wechat/notify/pay"
ORDER_PATH: Final = "/api/orders/"
AMOUNT: Final = 1800


class OrdersUsedUp(Exception):
    """A measurement was given fewer orders than it needs."""


@dataclass(eq=False)
class Contestant:
    """
    A running server.

    Args:
        notifies: Genuine ones as whole requests, one for each order.
        get: The request that reads an order.
        watch: What a page of this order says, and what it must hear.
        token: What a page proves itself with; a toy does not ask.
    """

    name: str
    pid: int
    port: int
    order_ids: Sequence[str]
    notifies: Sequence[bytes]
    get: Callable[[str], bytes]
    watch: Callable[[str], Conversation]
    token: str = ""
    _next: int = 0

    def take_orders(self, count: int) -> range:
        """
        Return the numbers of so many orders that nobody has paid, watched or read.

        Raises:
            OrdersUsedUp: There are not so many left.
            ForeignListenerError: The port is no longer this server's.
        """
        check_listener(self.port, self.pid)
        if self._next + count > len(self.order_ids):
            raise OrdersUsedUp(f"{self.name} has {len(self.order_ids)} orders")
        numbers = range(self._next, self._next + count)
        self._next += count
        return numbers


def post(path: str, body: bytes) -> bytes:
    """Return a notify as WeChat posts it."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/4.0\r\nPragma: no-cache\r\n"
    return f"{head}Accept: */*\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str, *headers: str) -> bytes:
    """Return a request as the order's page sends it."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: MicroMessenger",
        "Accept: application/json",
        "Accept-Language: zh-CN",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def notify_body(merchant: Mapping[str, str], out_trade_no: str, openid: str, sign_type: str) -> bytes:
    """
    Return a genuine notify of this attempt's payment.

    Args:
        merchant: `appid`, `mch_id` and `api_key`.
    """
    fields = {
        "return_code": "SUCCESS",
        "appid": merchant["appid"],
        "mch_id": merchant["mch_id"],
        "nonce_str": signing.nonce(),
        **({"sign_type": sign_type} if sign_type != signing.MD5 else {}),
        "result_code": "SUCCESS",
        "openid": openid,
        "is_subscribe": "N",
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": str(AMOUNT),
        "fee_type": "CNY",
        "cash_fee": str(AMOUNT),
        "transaction_id": "42" + out_trade_no[:26],
        "out_trade_no": out_trade_no,
        "time_end": "20260731120000",
    }
    return flat_xml.write({**fields, "sign": signing.sign(fields, merchant["api_key"], sign_type)})
