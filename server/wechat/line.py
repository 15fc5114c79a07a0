"""
A line to one WeChat service: its hosts in order of preference, the one in use, and a pool of connections.

Every call ends within a few seconds in an answer or in WeChatUnavailable. What the bytes mean is not known here.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from server.errors import ConfigError, WeChatUnavailable
from server.metrics import Metrics

MAX_ANSWER_BYTES: Final = 1024 * 1024
CONNECT_TIMEOUT_S: Final = 1.5  # leaves the backup host enough of the whole
TOTAL_TIMEOUT_S: Final = 5.0  # of one call of ours, both hosts together
TIMEOUTS_BEFORE_SWITCH: Final = 2

XML: Final = {"Content-Type": "text/xml; charset=utf-8"}
JSON: Final = {"Content-Type": "application/json"}
_OK_ONLY: Final = (200,)


class Certificate(NamedTuple):
    """Our API certificate and its private key, PEM files; at API v2 WeChat lets nobody move money out without them."""

    cert_file: Path
    private_key_file: Path


class Answer(NamedTuple):
    """`headers` does not mind the case of names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _NotReached(WeChatUnavailable):
    """No connection came about: WeChat has not seen the call."""


class _Request(NamedTuple):
    call: str
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] | None
    statuses: Container[int]


class Line:
    """
    All calls may be repeated with the same parameters, so one that could not connect is tried on the next host, and
    that host is kept for as long as it answers.

    Raises:
        ConfigError: The files of `certificate` are not usable.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        total_s: float,
        *,
        certificate: Certificate | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        metrics: Metrics | None = None,
    ) -> None:
        self._base_urls = [url.rstrip("/") for url in base_urls]
        self._at = 0
        self._timeouts = 0  # in a row
        self._total_s = total_s
        self._max_bytes = max_bytes
        self._metrics = metrics or Metrics()
        has_tls = any(url.startswith("https:") for url in base_urls)
        self._http = _open_pool(total_s, certificate, has_tls=has_tls)

    async def fetch(
        self, call: str, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] = XML
    ) -> bytes:
        """
        Return the body of the answer; `headers` go with a body of ours. The call may reach WeChat once on each of two
        hosts.

        Raises:
            WeChatUnavailable: No answer, not HTTP 200, compressed, or too large.
        """
        return (await self._ask(_Request(call, method, path, body, headers if body else None, _OK_ONLY))).body

    async def ask(self, call: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        Return the whole answer, whatever its status.

        Raises:
            WeChatUnavailable: No answer, compressed, or too large.
        """
        return await self._ask(_Request(call, method, path, body, headers, range(200, 600)))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _ask(self, request: _Request) -> Answer:
        begun_s, outcome = time.perf_counter(), "unavailable"
        try:
            answer = await self._ask_in_time(request)
            outcome = "answered"
        finally:
            self._metrics.wechat_calls.labels(request.call, outcome).inc()
            self._metrics.wechat_seconds.labels(request.call).observe(time.perf_counter() - begun_s)
        return answer

    async def _ask_in_time(self, request: _Request) -> Answer:
        at = self._at
        try:
            async with asyncio.timeout(self._total_s):
                answer = await self._ask_either(request)
        except TimeoutError:
            self._count_timeout(at)
            raise WeChatUnavailable(request.call, "timeout") from None
        self._timeouts = 0
        return answer

    async def _ask_either(self, request: _Request) -> Answer:
        at = self._at
        try:
            return await self._ask_host(self._base_urls[at], request)
        except _NotReached:
            if len(self._base_urls) == 1:
                raise
            self._leave(at)
        return await self._ask_host(self._base_urls[self._at], request)

    async def _ask_host(self, base_url: str, request: _Request) -> Answer:
        call, method, path, body, headers, statuses = request
        try:
            async with self._http.stream(method, base_url + path, content=body, headers=headers) as response:
                return await _read(call, response, statuses, self._max_bytes)
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


def _open_pool(total_s: float, certificate: Certificate | None, *, has_tls: bool) -> httpx.AsyncClient:
    """Without TLS, that is to a simulated WeChat, no authorities are read: it takes longer than many a call."""
    # httpx logs whole addresses at INFO, and those of the login carry the account's secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx.AsyncClient(
        verify=_tls(certificate) if has_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(total_s, connect=min(CONNECT_TIMEOUT_S, total_s)),
        headers={"User-Agent": "daifu", "Accept-Encoding": "identity"},
    )


def _tls(certificate: Certificate | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        _present(certificate, context)
    return context


def _present(certificate: Certificate, context: ssl.SSLContext) -> None:
    cert_file, private_key_file = certificate
    try:
        context.load_cert_chain(cert_file, private_key_file, password="")  # else a locked key asks on the terminal
    except OSError as exc:  # an ssl.SSLError is one
        reason = getattr(exc, "reason", None) or exc.strerror
        raise ConfigError(f"{cert_file} and {private_key_file} are no certificate with its key: {reason}") from None


async def _read(call: str, response: httpx.Response, statuses: Container[int], max_bytes: int) -> Answer:
    if response.status_code not in statuses:
        raise WeChatUnavailable(call, f"http_{response.status_code}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise WeChatUnavailable(call, "compressed")  # not asked for, and a small one can unpack to gigabytes
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise WeChatUnavailable(call, "oversize")
    return Answer(response.status_code, response.headers, bytes(body))
