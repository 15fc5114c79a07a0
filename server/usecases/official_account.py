"""
What an official account, or a mini-program, does for us: its token and ticket are kept here, and nobody else sees them.
"""

import secrets
from typing import Final

from msgspec import Struct

from server.official_ports import Credential, OfficialGateway, PaidMessage, Template
from server.ports import Cache, Clock
from server.usecases.credential import Keeper

# Our own limits, far above what all processes together need (a dozen fetches a day) and far below WeChat's: a fault
# that fetches again and again ends before WeChat's quota does.
TOKENS_A_DAY: Final = 2000
TICKETS_A_DAY: Final = 500


class PageSignature(Struct, frozen=True, kw_only=True):
    """What `wx.config` of the JS-SDK is given, in its own spelling; `timestamp` in Unix seconds."""

    appId: str  # noqa: N815 - WeChat's spelling
    timestamp: int
    nonceStr: str  # noqa: N815
    signature: str


class OfficialAccount:
    """One account or mini-program, whose access token all processes share through the cache, which ends with it."""

    def __init__(self, appid: str, gateway: OfficialGateway, *, cache: Cache, clock: Clock) -> None:
        self._appid = appid
        self._gateway = gateway
        self._cache = cache
        self._clock = clock
        self._token = Keeper(
            f"access_token:{appid}", self._fetch_token, cache=cache, clock=clock, limit_a_day=TOKENS_A_DAY
        )
        self._ticket = Keeper(
            f"jsapi_ticket:{appid}", self._fetch_ticket, cache=cache, clock=clock, limit_a_day=TICKETS_A_DAY
        )

    async def sign_page(self, url: str) -> PageSignature:
        """
        Return what the page at this address (without fragment) hands to `wx.config`.

        Raises:
            WeChatUnavailable, WeChatRefused, StaleToken: There is no ticket to sign with.
        """
        nonce, timestamp_s = secrets.token_hex(16), self._clock.now_ms() // 1000
        signature = self._gateway.sign_page(
            ticket=await self._ticket.value(), nonce=nonce, timestamp_s=timestamp_s, url=url
        )
        return PageSignature(appId=self._appid, timestamp=timestamp_s, nonceStr=nonce, signature=signature)

    async def send_paid(self, message: PaidMessage, template: Template) -> None:
        """
        Tell an initiator of a payment, by a message of this template.

        Raises:
            WeChatRefused: It will never be sent.
            WeChatUnavailable, StaleToken: Unknown, or not now.
        """
        await self._token.use(lambda token: self._gateway.send_paid(token, message, template))

    async def aclose(self) -> None:
        await self._gateway.aclose()
        await self._cache.aclose()

    async def _fetch_token(self, force: bool) -> Credential:  # noqa: FBT001 - the keeper's one question
        return await self._gateway.fetch_access_token(force=force)

    async def _fetch_ticket(self, force: bool) -> Credential:  # noqa: FBT001 - a ticket cannot be forced
        return await self._token.use(self._gateway.fetch_ticket)
