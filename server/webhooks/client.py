"""
Posts events to one endpoint of the merchant.

The name is looked up here and the connection made to the address that was looked at, so that no answer of a name server
can change between the check and the call. Redirects are not followed, and an answer's body is not read.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from server.errors import WebhookFailed
from server.webhooks.addresses import is_public
from server.webhooks.signature import signed_headers

TOTAL_S: Final = 5.0

# As socket.getaddrinfo: (host, port, family, type) -> rows whose last field begins with an address.
Lookup = Callable[..., list[tuple[Any, ...]]]


def endpoint_name(url: str) -> str:
    """Return what an endpoint is called in logs and lists: its host and port, and nothing a secret may be part of."""
    return urlsplit(url).netloc


class WebhookClient:
    """
    Fills `ports.WebhookSender` for one URL. Belongs to the event loop it is used on.

    Args:
        keys: All of them sign.
        ca_file: Authorities to trust beside those everybody does, a PEM file; empty for none.
        total_s: Longest time for one event, from the look-up of the name to the answer's status.
        lookup: Resolves names; runs in a thread of this client's own, so that a name server that stalls keeps nobody
            else from theirs.
    """

    def __init__(
        self,
        url: str,
        keys: Sequence[bytes],
        *,
        allow_private: bool,
        ca_file: str = "",
        total_s: float = TOTAL_S,
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self._url = httpx.URL(url)
        self._port = self._url.port or (443 if self._url.scheme == "https" else 80)
        self._keys = keys
        self._allow_private = allow_private
        self._total_s = total_s
        self._lookup = lookup
        self._resolver = ThreadPoolExecutor(1, thread_name_prefix="webhook-names")
        # Certificates are loaded only for who needs them; a proxy of the environment would hide the address.
        verify = _trusting(ca_file) if self._url.scheme == "https" else False
        self._http = httpx.AsyncClient(verify=verify, trust_env=False, timeout=total_s)

    async def send(self, event_id: str, body: bytes, *, now_s: int) -> None:
        """
        Return when the endpoint took this event: it answered with a 2xx in time.

        Raises:
            WebhookFailed: It did not, or may not be called; `reason` is a short code.
        """
        try:
            async with asyncio.timeout(self._total_s):
                status = await self._post(event_id, body, now_s, await self._address())
        except (TimeoutError, httpx.TimeoutException) as error:
            raise WebhookFailed("timeout") from error
        except httpx.HTTPError as error:
            raise WebhookFailed(_reason(error)) from error
        if not 200 <= status < 300:
            raise WebhookFailed(f"http_{status}")

    async def aclose(self) -> None:
        self._resolver.shutdown(wait=False, cancel_futures=True)
        await self._http.aclose()

    async def _address(self) -> str:
        lookup = partial(self._lookup, self._url.host, self._port, type=socket.SOCK_STREAM)
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._resolver, lookup)
        except OSError as error:
            raise WebhookFailed("unknown_host") from error
        addresses = [str(row[4][0]) for row in rows]
        allowed = [address for address in addresses if self._allow_private or is_public(address)]
        if not allowed:
            raise WebhookFailed("private_address")
        return allowed[0]

    async def _post(self, event_id: str, body: bytes, now_s: int, address: str) -> int:
        headers = {
            "Host": self._url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "daifu",
            **signed_headers(event_id, body, self._keys, now_s=now_s),
        }
        # The name is what the certificate has to be for, whatever the address.
        extensions = {"sni_hostname": self._url.host}
        url = self._url.copy_with(host=address)
        async with self._http.stream("POST", url, content=body, headers=headers, extensions=extensions) as answer:
            return answer.status_code


def _trusting(ca_file: str) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _reason(error: httpx.HTTPError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "untrusted_certificate"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
