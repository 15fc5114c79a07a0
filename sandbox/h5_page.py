"""
H5 (MWEB): the link an order gets, and the page behind it, as particular about who opens it as WeChat's.

In life the browser's Referer must be of the domain the merchant has registered. Nobody registers one here, so the
Referer's own host counts as it, and redirect_url has to be on the same.
"""

import hashlib
from typing import Final
from urllib.parse import urlencode

from tornado.httputil import HTTPServerRequest

from sandbox.ledger import PayRefused
from sandbox.order import Order, OrderRefused
from sandbox.order_rules import is_loopback
from sandbox.payer_page import PayerPage, web_host

PATH: Final = "/cgi-bin/mmpayweb-bin/checkmweb"


def mweb_url(request: HTTPServerRequest, order: Order) -> str:
    """Return the link of five minutes, on the address this simulator was asked at."""
    query = urlencode({"prepay_id": order.prepay_id, "package": _package(order)})
    return f"{request.protocol}://{request.host}{PATH}?{query}"


class H5Handler(PayerPage):
    """`redirect_url` is where the browser is led back to."""

    def get(self) -> None:
        redirect_url = self.get_query_argument("redirect_url", "")
        try:
            order = self.world.ledger.find(prepay_id=self.get_query_argument("prepay_id", ""))
            self._check(order, redirect_url)
            self.world.ledger.check_payable(order, order.openid)
        except PayRefused as refused:
            self.show_refusal(refused.message)
        except OrderRefused as refused:
            self.show_refusal(refused.message, 404)
        else:
            self.show(order, redirect_url=redirect_url)

    def _check(self, order: Order, redirect_url: str) -> None:
        headers = self.request.headers
        referer = web_host(headers.get("Referer", ""))
        if order.trade_type != "MWEB" or self.get_query_argument("package", "") != _package(order) or not referer:
            raise PayRefused("bad_parameter", "商家参数格式有误，请联系商家解决")
        if redirect_url and web_host(redirect_url) != referer:
            raise PayRefused("foreign_domain", "商家存在未配置的参数，请联系商家解决")
        if "MicroMessenger" in headers.get("User-Agent", ""):
            raise PayRefused("inside_wechat", "请在微信外打开订单，进行支付")
        if not _is_same_place(order.asked.get("spbill_create_ip", ""), self.request.remote_ip or ""):
            raise PayRefused("other_address", "网络环境未能通过安全验证，请稍后再试")


def _package(order: Order) -> str:
    return str(int(hashlib.sha256(b"h5:" + order.prepay_id.encode()).hexdigest()[:8], 16))


def _is_same_place(ordered_from: str, opened_from: str) -> bool:
    return ordered_from == opened_from or (is_loopback(ordered_from) and is_loopback(opened_from))
