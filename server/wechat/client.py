"""
The client of API v2.

What the bytes of an answer mean is for `v2_answers`, `v2_refunds` and `bills` to say; nothing here decides about
an order.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import date
from typing import Final

from server.domain.bill import Bill
from server.domain.document import Order, Payment, Refund
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, RefundProgressed, TradeType
from server.domain.prepaid import Prepaid
from server.errors import WeChatRefused
from server.metrics import Metrics
from server.wechat import bills, v2_answers, v2_calls, v2_refunds
from server.wechat.line import TOTAL_TIMEOUT_S, Certificate, Line
from server.wechat.scenes import unsigned_params
from server.wechat.v2_sign import Merchant

BILL_TIMEOUT_S: Final = 60.0

_CLOSED: Final = ("ORDERCLOSED", "ORDERNOTEXIST")  # nobody can pay it: what closing was for


class WeChatPayClient:
    """
    Fills `ports.PayGateway` over API v2, and fetches bills.

    `base_urls` are WeChat's main host and its backups. Refunds go over connections of their own, which present
    `certificate`; without one they are possible only where there is no TLS, that is with the simulated WeChat.

    Raises:
        ConfigError: The files of `certificate` are not usable.
    """

    def __init__(
        self,
        merchant: Merchant,
        base_urls: Sequence[str],
        *,
        certificate: Certificate | None = None,
        total_s: float = TOTAL_TIMEOUT_S,
        metrics: Metrics | None = None,
    ) -> None:
        self._merchant = merchant
        self._base_urls = base_urls
        self._line = self._refund_line = Line(base_urls, total_s, metrics=metrics)
        if certificate is not None:
            self._refund_line = Line(base_urls, total_s, certificate=certificate, metrics=metrics)
        self._may_refund = certificate is not None or all(url.startswith("http:") for url in base_urls)

    @property
    def trade_types(self) -> frozenset[TradeType]:
        return self._merchant.trade_types

    async def prepay(self, order: Order, payment: Payment) -> Prepaid:
        request = v2_calls.unifiedorder(order, payment, self._merchant, nonce=_nonce())
        return v2_answers.prepaid(await self._call("unifiedorder", request), payment.trade_type)

    async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
        request = v2_calls.orderquery(payment, self._merchant, nonce=_nonce())
        fields = await self._call("orderquery", request)
        return v2_answers.query_result(fields, out_trade_no=payment.out_trade_no, evidence=evidence)

    async def close(self, payment: Payment) -> None:
        request = v2_calls.closeorder(payment, self._merchant, nonce=_nonce())
        try:
            await self._call("closeorder", request)
        except WeChatRefused as exc:
            if exc.code not in _CLOSED:
                raise

    async def refund(self, order: Order, payment: Payment, refund: Refund) -> RefundProgressed:
        if not self._may_refund:
            raise WeChatRefused("refund", "CERT_ERROR", "no client certificate is configured")
        request = v2_refunds.refund(payment, refund, self._merchant, nonce=_nonce())
        answer = await self._refund_line.fetch("refund", "POST", "/secapi/pay/refund", request)
        fields = v2_answers.read_answer("refund", answer, self._merchant, refusals=v2_refunds.REFUSALS)
        return v2_refunds.accepted(fields, payment, refund)

    async def query_refund(self, payment: Payment, refund: Refund) -> RefundProgressed:
        request = v2_refunds.refundquery(payment, refund, self._merchant, nonce=_nonce())
        fields = await self._call("refundquery", request, refusals=v2_refunds.REFUSALS)
        return v2_refunds.query_result(fields, payment, refund)

    async def download_bill(self, day: date, *, total_s: float = BILL_TIMEOUT_S) -> Bill:
        request = bills.downloadbill(day, self._merchant, nonce=_nonce())
        # A line for this call alone: so long an answer must not count among the time-outs of the payments.
        line = Line(self._base_urls, total_s, max_bytes=bills.MAX_BILL_BYTES)
        try:
            answer = await line.fetch("downloadbill", "POST", "/pay/downloadbill", request)
        finally:
            await line.aclose()
        return await asyncio.to_thread(bills.read_bill, answer)  # seconds of work if it is large

    def client_params(
        self, payment: Payment, prepaid: Prepaid, *, return_url: str, now_s: int, nonce: str
    ) -> dict[str, str | int]:
        if unsigned := unsigned_params(prepaid, return_url=return_url):
            return unsigned
        appid = self._merchant.appid_of(payment.trade_type)
        sign = v2_calls.app_params if payment.trade_type is TradeType.APP else v2_calls.jsapi_params
        return {**sign(appid, prepaid.prepay_id, self._merchant, now_s=now_s, nonce=nonce)}

    async def aclose(self) -> None:
        await self._refund_line.aclose()
        await self._line.aclose()

    async def _call(
        self, call: str, request: bytes, *, refusals: frozenset[str] = v2_answers.REFUSALS
    ) -> dict[str, str]:
        answer = await self._line.fetch(call, "POST", f"/pay/{call}", request)
        return v2_answers.read_answer(call, answer, self._merchant, refusals=refusals)


def _nonce() -> str:
    return secrets.token_hex(16)
