"""Does every host of WeChat Pay answer, and is our clock right by theirs?"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from server.doctor.finding import Finding, ok, warning, wrong
from server.errors import WeChatUnavailable
from server.ports import Clock
from server.wechat.line import Line
from settings import Settings

# Source: WeChat Pay API v3, "build a request signature": five minutes.
REFUSED_FROM_S: Final = 300
DOUBTFUL_FROM_S: Final = 30


async def check_hosts(settings: Settings, clock: Clock) -> list[Finding]:
    """Ask each host what needs no key; the first that answers tells the time."""
    answers = await asyncio.gather(*(_headers(url, settings) for url in settings.wechat_base_urls))
    found = []
    for url, headers in zip(settings.wechat_base_urls, answers, strict=True):
        host = urlsplit(url).netloc
        found.append(ok("host_fine", host=host) if headers is not None else _silent(host, is_any=any(answers)))
    dates = [headers["Date"] for headers in answers if headers and "Date" in headers]
    return [*found, *(check_clock(date, now_ms=clock.now_ms()) for date in dates[:1])]


def check_clock(date: str, *, now_ms: int) -> Finding:
    """Compare our time with an answer's `Date`, which has whole seconds."""
    try:
        theirs: datetime = parsedate_to_datetime(date)
    except ValueError:
        return warning("clock_unproved")
    ahead_s = round(now_ms / 1000 - theirs.timestamp() - 0.5)  # in the middle of their second
    if abs(ahead_s) >= REFUSED_FROM_S:
        return wrong("clock_wrong", ahead_s=ahead_s)
    if abs(ahead_s) >= DOUBTFUL_FROM_S:
        return warning("clock_off", ahead_s=ahead_s)
    return ok("clock_fine", ahead_s=ahead_s)


def _silent(host: str, *, is_any: bool) -> Finding:
    return warning("backup_host_silent", host=host) if is_any else wrong("host_silent", host=host)


async def _headers(url: str, settings: Settings) -> Mapping[str, str] | None:
    line = Line([url], settings.wechat_timeout_s)
    try:
        # A GET is answered REQUIRE_POST_METHOD, whoever asks. Source: WeChat Pay API v2, errors.
        return (await line.ask("time", "GET", "/pay/orderquery", b"", {})).headers
    except WeChatUnavailable:
        return None
    finally:
        await line.aclose()
