"""What WeChat and friends find at PUBLIC_URL: the notify addresses, sockets, the verification files, and no metrics."""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx

from server.bootstrap import NOTIFY_PATH, REFUND_NOTIFY_PATH, V3_NOTIFY_PATH
from server.doctor.finding import Finding, ok, warning, wrong
from settings import Settings

PATIENCE_S: Final = 5.0  # WeChat's own, for a notify
_OURS: Final = b"FAIL"
_METRICS: Final = b"daifu_"


async def check_front_door(settings: Settings) -> list[Finding]:
    """Post nothing to each notify address, which daifu refuses in WeChat's shape, and fetch what anybody may."""
    async with httpx.AsyncClient(
        base_url=settings.origin,
        timeout=PATIENCE_S,
        follow_redirects=False,
        trust_env=False,
        headers=_HEADERS,
        verify=settings.origin.startswith("https:"),  # or the authorities are read for nothing
    ) as http:
        try:
            first = await http.post(NOTIFY_PATH, content=b"")
        except httpx.HTTPError as error:
            return [_unreachable(settings, error)]
        if doubt := _doubt(NOTIFY_PATH, first):
            return [doubt]
        try:
            others = await asyncio.gather(*(http.post(path, content=b"") for path in _other_paths(settings)))
            files = [(Path(file), await http.get(f"/{Path(file).name}")) for file in settings.wechat_verify_files]
            metrics = await http.get("/metrics")
            sockets = await _sockets(http, settings)
        except httpx.HTTPError as error:
            return [_unreachable(settings, error)]
    doubts = (_doubt(path, answer) for path, answer in zip(_other_paths(settings), others, strict=True))
    found = [doubt for doubt in doubts if doubt] or [ok("notify_fine", url=settings.origin + NOTIFY_PATH)]
    return [*found, sockets, *_verification(files), *_metrics(settings, metrics)]


_HEADERS: Final[Mapping[str, str]] = {"User-Agent": "daifu-doctor", "Content-Type": "text/xml"}


# RFC 6455, 4.1. daifu takes the handshake and then sends the stranger away.
_SOCKET_PATH: Final = "/ws/orders/00000000000000000000000000"
_HANDSHAKE: Final[Mapping[str, str]] = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "ZGFpZnUgZG9jdG9yIDAxMg==",
}


async def _sockets(http: httpx.AsyncClient, settings: Settings) -> Finding:
    """A proxy that was not told of WebSockets drops `Upgrade`."""
    headers = {**_HANDSHAKE, "Origin": settings.origin}
    async with http.stream("GET", _SOCKET_PATH, headers=headers) as answer:
        status = answer.status_code
    return ok("sockets_fine") if status == httpx.codes.SWITCHING_PROTOCOLS else warning("sockets_cut", status=status)


def _other_paths(settings: Settings) -> tuple[str, ...]:
    return (REFUND_NOTIFY_PATH, V3_NOTIFY_PATH) if settings.speaks_v3 else (REFUND_NOTIFY_PATH,)


def _doubt(path: str, answer: httpx.Response) -> Finding | None:
    if answer.is_redirect:
        return wrong("notify_redirected", path=path, status=answer.status_code)
    if answer.status_code >= 500 or answer.status_code == 404 or _OURS not in answer.content:
        return wrong("notify_not_ours", path=path, status=answer.status_code)
    return None


def _unreachable(settings: Settings, error: httpx.HTTPError) -> Finding:
    if "CERTIFICATE" in str(error) or isinstance(error.__cause__, ssl.SSLError):
        return wrong("front_door_tls", url=settings.origin)
    if settings.simulator_url and isinstance(error, httpx.ConnectError):
        return warning("not_running", url=settings.origin)
    return wrong("front_door_shut", url=settings.origin, reason=type(error).__name__)


def _verification(files: list[tuple[Path, httpx.Response]]) -> Iterator[Finding]:
    for file, answer in files:
        is_served = answer.status_code == 200 and answer.content == file.read_bytes()
        yield ok("verification_fine", name=file.name) if is_served else wrong("verification_hidden", name=file.name)


def _metrics(settings: Settings, answer: httpx.Response) -> Iterator[Finding]:
    # From this machine /metrics may be seen, and there a loopback address leads.
    if answer.status_code == 200 and _METRICS in answer.content and not settings.simulator_url:
        yield wrong("metrics_public", url=f"{settings.origin}/metrics")
