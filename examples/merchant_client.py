"""
A client of daifu's merchant API, to copy or to start from. Needs Python 3.11 and nothing else.

    DAIFU_URL=https://pay.example.com DAIFU_KEY=daifu_… python examples/merchant_client.py create A-1 1800 奶茶
    … get <order_id> · list · close <order_id> · refund <order_id> [amount]

Every request that changes something is sent again by itself when no answer came, and is safe to be: an order by its
`merchant_order_no`, a refund by its Idempotency-Key.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 10
PAUSES_S = (0.5, 2, 5)  # between one try and the next

Json = dict[str, Any]


class DaifuError(Exception):
    """daifu said no. `code` is stable, `detail` names the field and the reason, the message is for people."""

    def __init__(self, status: int, code: str, message: str, detail: Json) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.detail = detail


class DaifuUnavailableError(Exception):
    """No answer after every try: what became of the request is unknown. Send it again, with the same numbers."""


class MerchantClient:
    """Amounts in fen, times in Unix milliseconds. One connection per request, so any thread may use it."""

    def __init__(self, url: str, key: str) -> None:
        self._url = urlsplit(url)
        self._key = key

    def create_order(self, merchant_order_no: str, *, title: str, amount: int, **more: Any) -> Json:
        """Place an order, or find the one this number placed. `more`: shares, note, expires_in_s, initiator_openid."""
        asked = {"merchant_order_no": merchant_order_no, "title": title, "amount": amount, **more}
        return self._order("POST", "/merchant/v1/orders", asked)

    def get_order(self, order_id: str) -> Json:
        return self._order("GET", f"/merchant/v1/orders/{order_id}")

    def find_order(self, merchant_order_no: str) -> Json | None:
        return next(self.list_orders(merchant_order_no=merchant_order_no), None)

    def list_orders(self, **filters: Any) -> Iterator[Json]:
        """Yield orders, newest first. `filters`: state, created_from_ms, created_to_ms, merchant_order_no."""
        before: Json = {}
        while True:
            page = self._call("GET", f"/merchant/v1/orders?{urlencode({**filters, **before})}")
            yield from page["orders"]
            if page["next_before"] is None:
                return
            before = {"before": page["next_before"]}

    def close_order(self, order_id: str) -> Json:
        return self._order("POST", f"/merchant/v1/orders/{order_id}/close", {})

    def refund_order(self, order_id: str, *, amount: int | None = None, out_trade_no: str = "", key: str = "") -> Json:
        """
        Give back all that is left, or a part.

        `key` is the Idempotency-Key. Give one of your own (a number of your refund) if your program may die and ask
        again; without it only the tries of this very call are held together.
        """
        asked = {"amount": amount, "out_trade_no": out_trade_no}
        wanted = {name: value for name, value in asked.items() if value}
        return self._order("POST", f"/merchant/v1/orders/{order_id}/refund", wanted, key=key or str(uuid.uuid4()))

    def _order(self, method: str, path: str, body: Json | None = None, *, key: str = "") -> Json:
        order: Json = self._call(method, path, body, key=key)["order"]
        return order

    def _call(self, method: str, path: str, body: Json | None = None, *, key: str = "") -> Json:
        for pause_s in (*PAUSES_S, None):
            try:
                status, answer = self._once(method, path, body, key)
            except (OSError, HTTPException, ValueError) as error:  # ValueError: no JSON, so not daifu's own answer
                if pause_s is None:
                    raise DaifuUnavailableError(str(error)) from error
            else:
                if status < 400:
                    return answer
                if status not in (429, 503) or pause_s is None:
                    error_ = answer["error"]
                    raise DaifuError(status, error_["code"], error_["message"], error_["detail"])
            time.sleep(pause_s)
        raise AssertionError  # the last try returns or raises

    def _once(self, method: str, path: str, body: Json | None, key: str) -> tuple[int, Json]:
        secure = self._url.scheme == "https"
        connection = (HTTPSConnection if secure else HTTPConnection)(self._url.netloc, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", "Accept-Language": "en"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def main(command: str, *arguments: str) -> None:
    """Run one command and print what daifu answered."""
    client = MerchantClient(os.environ["DAIFU_URL"], os.environ["DAIFU_KEY"])
    if command == "create":
        order_no, amount, title = arguments
        found: Any = client.create_order(order_no, title=title, amount=int(amount))
    elif command == "list":
        found = list(client.list_orders())
    elif command == "refund":
        order_id, *amounts = arguments
        found = client.refund_order(order_id, amount=int(amounts[0]) if amounts else None)
    else:
        found = {"get": client.get_order, "close": client.close_order}[command](*arguments)
    print(json.dumps(found, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
