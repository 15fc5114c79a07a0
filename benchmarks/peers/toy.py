"""
What every Python peer does, in whatever framework: read a notify, prove it, settle its order in a dict, tell its
sockets.

Orders are there from the start, number `n` under the id `order_id(n)`; each has one attempt, waiting to be paid. There
is no session, no durable store and no effect: that is what makes it a toy.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from typing import Any, Final

import xmltodict

HEALTH_PATH: Final = "/healthz"
NOTIFY_PATH: Final = "/wechat/notify/pay"
ORDER_PATH: Final = "/api/orders/"
WATCH_PATH: Final = "/ws/orders/"
AMOUNT: Final = 1800

OK: Final = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
REFUSED: Final = b"<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[refused]]></return_msg></xml>"

_FIELD: Final = re.compile(r"\s*<([A-Za-z_]\w*)>(?:<!\[CDATA\[([^\]]*)\]\]>|([^<>&]*))</\1>")

Fields = dict[str, str]
Order = dict[str, Any]


def order_id(number: int) -> str:
    """Return the id of order number `number`: 26 characters."""
    return f"{number:026}"


def read_with_xmltodict(body: bytes) -> Fields:
    """Return the fields of a flat document, read by the library most people take."""
    fields: Fields = xmltodict.parse(body)["xml"]
    return fields


def read_strictly(body: bytes) -> Fields:
    """
    Return the fields of a flat document, read by a grammar that knows nothing else.

    Raises:
        ValueError: It is anything else.
    """
    text = body.decode()
    end = len(text) - len("</xml>")
    if not text.startswith("<xml>") or not text.endswith("</xml>"):
        raise ValueError("not flat XML")
    fields: Fields = {}
    at = len("<xml>")
    while at < end:
        field = _FIELD.match(text, at)
        if field is None or field[1] in fields:
            raise ValueError("not flat XML")
        fields[field[1]] = field[2] or field[3] or ""
        at = field.end()
    return fields


READERS: Final[dict[str, Callable[[bytes], Fields]]] = {"xmltodict": read_with_xmltodict, "strict": read_strictly}


def sign(fields: Fields, api_key: str) -> str:
    """Return the MD5 signature of every field that is not empty but `sign`.  Source: WeChat Pay API v2, "signature"."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name])
    return hashlib.md5(f"{text}&key={api_key}".encode(), usedforsecurity=False).hexdigest().upper()


class Toy:
    """All orders of one peer. `peer` is its name."""

    def __init__(self, peer: str, *, orders: int, reader: str, api_key: str) -> None:
        self.peer = peer
        self._read = READERS[reader]
        self._api_key = api_key
        self._orders = {order_id(number): _new_order(order_id(number)) for number in range(orders)}

    @property
    def health(self) -> bytes:
        return _json({"peer": self.peer, "pid": os.getpid()}).encode()

    def settle(self, body: bytes) -> str | None:
        """Return the id of the order this notify pays, once it is paid; None if it is refused."""
        try:
            fields = self._read(body)
            if not hmac.compare_digest(fields["sign"], sign(fields, self._api_key)):
                return None
            paid = fields["out_trade_no"][:26]
            before = self._orders[paid]
            if fields["result_code"] != "SUCCESS" or int(fields["total_fee"]) != before["amount"]:
                return None
        except (ValueError, KeyError, TypeError):  # xmltodict returns no mapping for a document without fields
            return None
        if before["state"] != "PAID":
            self._replace(_paid(before, fields["transaction_id"]), was_rev=before["rev"])
        return paid

    def answer(self, order: str) -> bytes | None:
        """Return one order as JSON, None if there is no such order."""
        found = self._orders.get(order)
        return None if found is None else _json({"order": found}).encode()

    def frame(self, order: str) -> str | None:
        """Return what a socket is told of one order, None if there is no such order."""
        found = self._orders.get(order)
        return None if found is None else _json({"type": "order", "rev": found["rev"], "order": found})

    def _replace(self, order: Order, *, was_rev: int) -> bool:
        if self._orders[order["order_id"]]["rev"] != was_rev:
            return False
        self._orders[order["order_id"]] = order
        return True


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _new_order(order: str) -> Order:
    payment = {"payer": {"name": "小明", "avatar": ""}, "amount": AMOUNT, "trade_state": "NOTPAY", "transaction_id": ""}
    return {
        "order_id": order,
        "title": "奶茶",
        "note": "",
        "amount": AMOUNT,
        "shares": [AMOUNT],
        "paid_amount": 0,
        "state": "OPEN",
        "rev": 1,
        "initiator": {"name": "小红", "avatar": ""},
        "payments": [payment],
    }


def _paid(order: Order, transaction_id: str) -> Order:
    payment = {**order["payments"][0], "trade_state": "SUCCESS", "transaction_id": transaction_id}
    return {**order, "state": "PAID", "rev": order["rev"] + 1, "paid_amount": order["amount"], "payments": [payment]}


def arguments() -> argparse.Namespace:
    """Return how this peer was started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--orders", type=int, required=True, help="how many there are")
    parser.add_argument("--reader", choices=tuple(READERS), default="strict", help="what reads a notify's XML")
    parser.add_argument("--api-key", required=True, help="what notifies are signed with")
    return parser.parse_args()


def toy_of(peer: str, given: argparse.Namespace) -> Toy:
    """Return the toy for these arguments."""
    return Toy(peer, orders=given.orders, reader=given.reader, api_key=given.api_key)
