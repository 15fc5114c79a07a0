"""`wx.config` as WeChat's client judges it: does this signature belong to this page and to the ticket in force?"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sandbox.web import Handler
from sandbox.world import World

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,255}")


def verdict(config: Mapping[str, Any], url: str, world: World) -> str:
    """Return the errMsg of `wx.config` on the page at this address (without fragment)."""
    if config.get("appId") != world.merchant.appid:
        return "config:fail,invalid appid"
    ticket = world.tokens.current_ticket()
    text = "&".join(
        f"{name}={value}"
        for name, value in (
            ("jsapi_ticket", ticket.value if ticket is not None else ""),
            ("noncestr", config.get("nonceStr")),
            ("timestamp", config.get("timestamp")),
            ("url", url),
        )
    )
    signature = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    is_signed = ticket is not None and hmac.compare_digest(signature, str(config.get("signature")))
    return "config:ok" if is_signed else "config:fail,invalid signature"


class JssdkHandler(Handler):
    """/_sim/jssdk: a frame without a face; it tells the page's origin, and only that, what came of `wx.config`."""

    def get(self) -> None:
        origin, url = self.get_query_argument("origin", ""), self.get_query_argument("url", "", strip=False)
        try:
            config = msgspec.json.decode(self.get_query_argument("config", ""), type=dict[str, Any])
        except msgspec.MsgspecError:
            config = {}
        if not _ORIGIN.fullmatch(origin) or not url.startswith(f"{origin}/"):
            self.send_error(400)
            return
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'self'; base-uri 'none'; frame-ancestors {origin}",
        )
        self.render("jssdk.html", origin=origin, err_msg=verdict(config, url, self.world))
