"""
The only module that opens connections to WeChat.

Every call ends within a few seconds (a bill: a minute) in bytes or in WeChatUnavailable. What the bytes mean is for
`v2_answers`, `v2_refunds`, `bills` and `official` to say; nothing here decides about an order.
"""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from server.domain.bill import Bill
from server.domain.document import Order, Payment, Refund
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, RefundProgressed, TradeType
from server.errors import ConfigError, WeChatRefused, WeChatUnavailable
from server.ports import WeChatUser
from server.wechat import bills, official, v2_answers, v2_calls, v2_refunds
from server.wechat.v2_sign import Merchant

MAX_ANSWER_BYTES: Final = 1024 * 1024
CONNECT_TIMEOUT_S: Final = 1.5  # leaves the backup host enough of the whole
TOTAL_TIMEOUT_S: Final = 5.0  # of one call of ours, both hosts together
BILL_TIMEOUT_S: Final = 60.0
TIMEOUTS_BEFORE_SWITCH: Final = 2

_XML: Final = {"Content-Type": "text/xml; charset=utf-8"}
_CLOSED: Final = ("ORDERCLOSED", "ORDERNOTEXIST")  # nobody can pay it: what closing was for


class Certificate(NamedTuple):
    """Our API certificate and its private key, PEM files; WeChat lets nobody move money out without them."""

    cert_file: Path
    private_key_file: Path


class _NotReached(WeChatUnavailable):
    """No connection came about: WeChat has not seen the call."""


class _Line:
    """A line to one WeChat service: its hosts in order of preference, the one in use, and a pool of connections."""

    def __init__(
        self,
        base_urls: Sequence[str],
        total_s: float,
        *,
        certificate: Certificate | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._base_urls = [url.rstrip("/") for url in base_urls]
        self._at = 0
        self._timeouts = 0  # in a row
        self._total_s = total_s
        self._max_bytes = max_bytes
        self._http = _open_pool(total_s, certificate)

    async def fetch(self, call: str, method: str, path: str, body: bytes = b"") -> bytes:
        """
        Return the body of the answer. The call may reach WeChat once on each of two hosts.

        Raises:
            WeChatUnavailable: No answer, not HTTP 200, compressed, or too large.
        """
        at = self._at
        try:
            async with asyncio.timeout(self._total_s):
                answer = await self._fetch_from_either(call, method, path, body)
        except TimeoutError:
            self._count_timeout(at)
            raise WeChatUnavailable(call, "timeout") from None
        self._timeouts = 0
        return answer

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _fetch_from_either(self, call: str, method: str, path: str, body: bytes) -> bytes:
        at = self._at
        try:
            return await self._fetch(call, method, self._base_urls[at] + path, body)
        except _NotReached:
            if len(self._base_urls) == 1:
                raise
            self._leave(at)
        return await self._fetch(call, method, self._base_urls[self._at] + path, body)

    async def _fetch(self, call: str, method: str, url: str, body: bytes) -> bytes:
        try:
            async with self._http.stream(method, url, content=body, headers=_XML if body else None) as response:
                return await _read(call, response, self._max_bytes)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise _NotReached(call, "connect") from None  # the cause would carry the address, and with it our secret
        except httpx.TimeoutException:
            raise TimeoutError from None
        except httpx.HTTPError as exc:
            raise WeChatUnavailable(call, type(exc).__name__) from None

    def _count_timeout(self, at: int) -> None:
        self._timeouts += 1
        if self._timeouts >= TIMEOUTS_BEFORE_SWITCH:
            self._leave(at)

    def _leave(self, at: int) -> None:
        """Go on from this host to the next one, unless another call has done so already."""
        if at == self._at:
            self._at = (at + 1) % len(self._base_urls)
            self._timeouts = 0


def _open_pool(total_s: float, certificate: Certificate | None) -> httpx.AsyncClient:
    # httpx logs whole addresses at INFO, and those of the login carry the account's secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        _present(certificate, context)
    return httpx.AsyncClient(
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(total_s, connect=min(CONNECT_TIMEOUT_S, total_s)),
        headers={"User-Agent": "daifu", "Accept-Encoding": "identity"},
    )


def _present(certificate: Certificate, context: ssl.SSLContext) -> None:
    cert_file, private_key_file = certificate
    try:
        context.load_cert_chain(cert_file, private_key_file, password="")  # else a locked key asks on the terminal
    except OSError as exc:  # an ssl.SSLError is one
        reason = getattr(exc, "reason", None) or exc.strerror
        raise ConfigError(f"{cert_file} and {private_key_file} are no certificate with its key: {reason}") from None


async def _read(call: str, response: httpx.Response, max_bytes: int) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise WeChatUnavailable(call, f"http_{response.status_code}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise WeChatUnavailable(call, "compressed")  # not asked for, and a small one can unpack to gigabytes
    answer = bytearray()
    async for chunk in response.aiter_raw():
        answer += chunk
        if len(answer) > max_bytes:
            raise WeChatUnavailable(call, "oversize")
    return bytes(answer)


class WeChatPayClient:
    """
    Fills `ports.PayGateway` over API v2 for payments inside WeChat (`JSAPI`), and fetches bills.

    `base_urls` are WeChat's main host and its backups. All calls may be repeated with the same parameters, so one
    that could not connect is tried on the next host, and that host is kept for as long as it answers.
    Refunds go over connections of their own, which present `certificate`; without one they are possible only where
    there is no TLS, that is with the simulated WeChat.

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
    ) -> None:
        self._merchant = merchant
        self._base_urls = base_urls
        self._line = _Line(base_urls, total_s)
        self._refund_line = self._line if certificate is None else _Line(base_urls, total_s, certificate=certificate)
        self._may_refund = certificate is not None or all(url.startswith("http:") for url in base_urls)

    async def prepay(self, order: Order, payment: Payment) -> str:
        if payment.trade_type is not TradeType.JSAPI:
            raise WeChatRefused("unifiedorder", "TRADE_TYPE", f"{payment.trade_type} is not offered")
        request = v2_calls.unifiedorder(order, payment, self._merchant, nonce=_nonce())
        return v2_answers.prepay_id(await self._call("unifiedorder", request))

    async def query(self, out_trade_no: str, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
        request = v2_calls.orderquery(out_trade_no, self._merchant, nonce=_nonce())
        fields = await self._call("orderquery", request)
        return v2_answers.query_result(fields, out_trade_no=out_trade_no, evidence=evidence)

    async def close(self, out_trade_no: str) -> None:
        request = v2_calls.closeorder(out_trade_no, self._merchant, nonce=_nonce())
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
        request = v2_refunds.refundquery(refund.out_refund_no, self._merchant, nonce=_nonce())
        fields = await self._call("refundquery", request, refusals=v2_refunds.REFUSALS)
        return v2_refunds.query_result(fields, payment, refund)

    async def download_bill(self, day: date, *, total_s: float = BILL_TIMEOUT_S) -> Bill:
        request = bills.downloadbill(day, self._merchant, nonce=_nonce())
        # A line for this call alone: so long an answer must not count among the time-outs of the payments.
        line = _Line(self._base_urls, total_s, max_bytes=bills.MAX_BILL_BYTES)
        try:
            answer = await line.fetch("downloadbill", "POST", "/pay/downloadbill", request)
        finally:
            await line.aclose()
        return await asyncio.to_thread(bills.read_bill, answer)  # seconds of work if it is large

    def client_params(self, prepay_id: str, *, now_s: int, nonce: str) -> dict[str, str]:
        return v2_calls.jsapi_params(prepay_id, self._merchant, now_s=now_s, nonce=nonce)

    async def aclose(self) -> None:
        await self._refund_line.aclose()
        await self._line.aclose()

    async def _call(
        self, call: str, request: bytes, *, refusals: frozenset[str] = v2_answers.REFUSALS
    ) -> dict[str, str]:
        answer = await self._line.fetch(call, "POST", f"/pay/{call}", request)
        return v2_answers.read_answer(call, answer, self._merchant, refusals=refusals)


class WeChatLoginClient:
    """Fills `ports.LoginGateway` for one official account."""

    def __init__(
        self,
        appid: str,
        app_secret: str,
        api_base_url: str,
        authorize_base_url: str,
        *,
        total_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._appid = appid
        self._app_secret = app_secret
        self._authorize_base_url = authorize_base_url.rstrip("/")
        self._line = _Line([api_base_url], total_s)

    def authorize_url(self, *, redirect_uri: str, state: str) -> str:
        return official.authorize_url(
            self._authorize_base_url, appid=self._appid, redirect_uri=redirect_uri, state=state
        )

    async def redeem(self, code: str) -> WeChatUser:
        path = official.access_token_path(appid=self._appid, secret=self._app_secret, code=code)
        token = official.read_access_token(await self._line.fetch(official.REDEEM, "GET", path))
        if token.is_snapshot:
            return official.snapshot_user(token)
        path = official.userinfo_path(token)
        return official.read_userinfo(await self._line.fetch(official.USERINFO, "GET", path), token)

    async def aclose(self) -> None:
        await self._line.aclose()


def _nonce() -> str:
    return secrets.token_hex(16)
