"""
The client of API v3: calls that are signed, answers that are verified before they are read.

What is not verified is unknown, and every call may be repeated with the same parameters; so WeChat's probes, wrong
signatures sent on purpose, are answered by asking once more. What an answer means is `v3_answers`' and `v3_refunds`'.
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
from server.errors import (
    BadNotify,
    NoBill,
    SignatureMismatch,
    UnknownSerial,
    WeChatRefused,
    WeChatUnavailable,
)
from server.metrics import Metrics
from server.ports import Clock
from server.wechat import bills, v3_answers, v3_bills, v3_calls, v3_keys, v3_refunds
from server.wechat.client import BILL_TIMEOUT_S
from server.wechat.line import TOTAL_TIMEOUT_S, Answer, Line
from server.wechat.platform_keys import PlatformKeys
from server.wechat.scenes import unsigned_params
from server.wechat.v3_calls import Call
from server.wechat.v3_keys import PUBLIC_KEY_PREFIX, KeyRing
from server.wechat.v3_sign import V3Merchant, app_params, authorization, jsapi_params

_CLOSED: Final = ("ORDERCLOSED", "ORDERNOTEXIST")  # nobody can pay it: what closing was for


class WeChatPayV3Client:
    """
    Fills `ports.PayGateway` over API v3, and fetches bills and WeChat's certificates.

    Args:
        ring: The WeChat Pay public keys of the settings; certificates are added as they are fetched.
        base_urls: WeChat's main host and its backups.
    """

    def __init__(
        self,
        merchant: V3Merchant,
        base_urls: Sequence[str],
        *,
        ring: KeyRing,
        clock: Clock,
        total_s: float = TOTAL_TIMEOUT_S,
        metrics: Metrics | None = None,
    ) -> None:
        self.merchant = merchant
        self.keys = PlatformKeys(ring, self._certificates)
        self._base_urls = base_urls
        self._clock = clock
        self._line = Line(base_urls, total_s, metrics=metrics)
        self._public_key_id = next((name for name in ring.keys if name.startswith(PUBLIC_KEY_PREFIX)), "")

    @property
    def trade_types(self) -> frozenset[TradeType]:
        return self.merchant.trade_types

    async def prepay(self, order: Order, payment: Payment) -> Prepaid:
        body = await self._call(v3_calls.prepay(order, payment, self.merchant))
        return v3_answers.prepaid(body, payment.trade_type)

    async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
        body = await self._call(v3_calls.query(payment.out_trade_no, self.merchant))
        return v3_answers.query_result(body, payment, self.merchant, evidence=evidence)

    async def close(self, payment: Payment) -> None:
        try:
            await self._call(v3_calls.close(payment.out_trade_no, self.merchant))
        except WeChatRefused as exc:
            if exc.code not in _CLOSED:
                raise

    async def refund(self, order: Order, payment: Payment, refund: Refund) -> RefundProgressed:
        body = await self._call(v3_refunds.refund(payment, refund, self.merchant))
        return v3_refunds.accepted(body, payment, refund)

    async def query_refund(self, payment: Payment, refund: Refund) -> RefundProgressed:
        body = await self._call(v3_refunds.refund_query(refund))
        return v3_refunds.query_result(body, payment, refund)

    async def download_bill(self, day: date, *, total_s: float = BILL_TIMEOUT_S) -> Bill:
        try:
            file = v3_bills.read_tradebill(await self._call(v3_bills.tradebill(day)))
        except WeChatRefused as exc:
            if exc.code != "NO_STATEMENT_EXIST":
                raise
            raise NoBill from exc
        # A line for this call alone: so long an answer must not count among the time-outs of the payments.
        line = Line(self._base_urls, total_s, max_bytes=bills.MAX_BILL_BYTES)
        try:
            answer = await self._ask(v3_bills.download(file), line)
        finally:
            await line.aclose()
        if answer.status != 200:
            raise WeChatUnavailable("billdownload", f"http_{answer.status}")
        return await asyncio.to_thread(v3_bills.read_file, answer.body, file)  # seconds of work if it is large

    def client_params(
        self, payment: Payment, prepaid: Prepaid, *, return_url: str, now_s: int, nonce: str
    ) -> dict[str, str | int]:
        if unsigned := unsigned_params(prepaid, return_url=return_url):
            return unsigned
        appid = self.merchant.appid_of(payment.trade_type)
        sign = app_params if payment.trade_type is TradeType.APP else jsapi_params
        return {**sign(appid, prepaid.prepay_id, self.merchant, now_s=now_s, nonce=nonce)}

    async def ask(self, call: Call) -> Answer:
        """
        Return what WeChat answers, as it came: nothing of it is verified, and its status may be any.

        Raises:
            WeChatUnavailable: No answer.
        """
        return await self._ask(call, self._line)

    async def aclose(self) -> None:
        await self.keys.aclose()
        await self._line.aclose()

    async def _call(self, call: Call) -> bytes:
        try:
            try:
                return await self._verified(call)
            except SignatureMismatch:
                pass  # a probe, or not WeChat: the same call says which
            except UnknownSerial:
                await self.keys.wanted()
            return await self._verified(call)
        except BadNotify as exc:
            raise WeChatUnavailable(call.name, f"signature: {exc}") from None

    async def _verified(self, call: Call) -> bytes:
        answer = await self._ask(call, self._line)
        is_success = answer.status in (200, 204)
        if not is_success and "Wechatpay-Signature" not in answer.headers:
            raise v3_answers.unsigned_refusal(call.name, answer.status)
        v3_keys.verify(answer.headers, answer.body, self.keys.ring, now_s=self._now_s)
        if not is_success:
            request_id = answer.headers.get("Request-ID", "")
            raise v3_answers.refusal(call.name, answer.status, answer.body, request_id=request_id)
        return answer.body

    async def _ask(self, call: Call, line: Line) -> Answer:
        proof = authorization(
            call.method, call.path, call.body, self.merchant, now_s=self._now_s, nonce=secrets.token_hex(16)
        )
        headers = {"Authorization": proof, "Accept": "application/json"}
        if call.body:
            headers["Content-Type"] = "application/json"
        if self._public_key_id:
            headers["Wechatpay-Serial"] = self._public_key_id  # with which key to sign the answer
        return await line.ask(call.name, call.method, call.path, call.body, headers)

    async def _certificates(self, ring: KeyRing) -> KeyRing:
        """Fetch WeChat's certificates. Their encryption proves the first ones, and then they prove the answer."""
        answer = await self._ask(v3_calls.certificates(), self._line)
        if answer.status != 200:
            raise WeChatUnavailable("certificates", f"http_{answer.status}")
        keys = v3_keys.read_certificates(answer.body, self.merchant.api_v3_keys)
        v3_keys.verify(answer.headers, answer.body, ring.with_keys(keys), now_s=self._now_s)
        return keys

    @property
    def _now_s(self) -> int:
        return self._clock.now_ms() // 1000
