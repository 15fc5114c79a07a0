"""
How an app pays for a friend: the steps, in a language that runs here. Needs Python 3.11 and nothing else.

    DAIFU_URL=http://127.0.0.1:8888 DAIFU_TOKEN=… python examples/app_payment.py <order_id> http://127.0.0.1:8889

plays it against the simulated WeChat (the last argument); in an app `open_wechat` is WeChat's SDK. What the SDK says
afterwards is no proof: it may say that all went well when nothing was paid, that somebody left when he had paid, or
nothing at all because the phone closed the app. So an app asks daifu, which asks WeChat, and believes that alone.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 10
PAUSES_S = (1, 2, 5)  # WeChat may need a moment to know of a payment
LEFT = -2  # the SDK's errCode of somebody who closed the pay sheet

Json = dict[str, Any]
OpenWeChat = Callable[[Json], int]  # hands the parameters to WeChat's app; returns the errCode that comes back


class DaifuError(Exception):
    """daifu said no; `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class AppPayment:
    """Speaks for one person, whose bearer token the app's own server or a web view got from `POST /api/token`."""

    def __init__(self, url: str, token: str) -> None:
        self._url = urlsplit(url)
        self._token = token

    def start(self, order_id: str) -> tuple[str, Json]:
        """
        Return the payment's out_trade_no and what WeChat's SDK is given, as it is.

        Keep the number where it survives the app: whoever starts again with one in hand begins with `settled`.
        """
        started = self._post(f"/api/orders/{order_id}/payments", {"trade_type": "APP"})
        return started["payment"]["out_trade_no"], started["params"]

    def settled(self, order_id: str, out_trade_no: str, err_code: int = 0) -> str:
        """
        Return WeChat's word for the payment: SUCCESS, or NOTPAY when it was not paid after all.

        `err_code` is what the SDK said, if it said anything. It only chooses for how long to ask.
        """
        payment = f"/api/orders/{order_id}/payments/{out_trade_no}"
        pauses_s = (None,) if err_code else (*PAUSES_S, None)
        for pause_s in pauses_s:
            trade_state = str(self._post(f"{payment}/confirm")["trade_state"])
            if trade_state != "NOTPAY" or pause_s is None:
                break
            time.sleep(pause_s)
        if trade_state == "NOTPAY" and err_code == LEFT:
            self._post(f"{payment}/cancel")  # another friend may have the share now
        return trade_state

    def pay(self, order_id: str, open_wechat: OpenWeChat) -> str:
        """Return how it ended, as `settled` does."""
        out_trade_no, params = self.start(order_id)
        return self.settled(order_id, out_trade_no, open_wechat(params))

    def _post(self, path: str, body: Json | None = None) -> Json:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return _post(f"{self._url.scheme}://{self._url.netloc}{path}", body or {}, headers)


def simulated_wechat(url: str) -> OpenWeChat:
    """Return what stands for the SDK beside the simulated WeChat: it pays at once."""
    return lambda params: int(_post(f"{url}/_sim/app", {"params": params, "outcome": "ok"}, {})["errCode"])


def _post(url: str, body: Json, headers: dict[str, str]) -> Json:
    parts = urlsplit(url)
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", parts.path, json.dumps(body), headers)
        answer = connection.getresponse()
        said: Json = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status >= 400:
        raise DaifuError(said["error"]["code"], said["error"]["message"])
    return said


def main(order_id: str, wechat_url: str) -> None:
    """Pay one order and say how it ended."""
    app = AppPayment(os.environ["DAIFU_URL"], os.environ["DAIFU_TOKEN"])
    try:
        print(app.pay(order_id, simulated_wechat(wechat_url)))
    except (OSError, HTTPException) as error:
        sys.exit(f"no answer ({error}): what became of the payment is unknown, so ask again with its number")


if __name__ == "__main__":
    main(*sys.argv[1:])
