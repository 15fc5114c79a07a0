"""The seams toward WeChat's official account and mini-program; what is not about paying. See `ports.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from server.domain.money import Fen


@dataclass(frozen=True, slots=True)
class Credential:
    """An access token or a ticket, and for how many seconds from now it is good. Never shown, never logged."""

    value: str = field(repr=False)
    expires_in_s: int


class PaidMessage(Struct, frozen=True, kw_only=True):
    """
    What an initiator is told of one payment; `openid` is his.

    `url` is what the message opens; `client_msg_id` makes a repeat none.
    """

    openid: str
    url: str
    client_msg_id: str
    title: str
    payer: str
    amount: Fen
    paid_shares: int
    shares: int
    paid_at_ms: int


class MessageKind(StrEnum):
    """By which of WeChat's calls a message goes, and so to whom it can."""

    TEMPLATE = "message/template/send"  # who follows the official account
    SUBSCRIBE = "message/subscribe/bizsend"  # who agreed to one message of the official account
    MINIPROGRAM = "message/subscribe/send"  # who agreed to one message of the mini-program


@dataclass(frozen=True, slots=True)
class Template:
    """A template of ours at WeChat: its id, and what each of its fields says, such as `thing1` the `title`."""

    kind: MessageKind
    template_id: str
    fields: Mapping[str, str]


class Presence(Protocol):
    """Who is looking at his own order just now. A hint: who cannot be found does not look."""

    async def is_watching(self, order_id: str) -> bool:
        """Has the initiator of this order a page on it, on any process?"""
        ...


class OfficialGateway(Protocol):
    """
    The API of one official account.

    Every method may raise WeChatUnavailable and WeChatRefused; those that take an access token also StaleToken.
    """

    async def fetch_access_token(self, *, force: bool) -> Credential:
        """Return the account's token; with `force` a new one, after which the old one is dead for everybody."""
        ...

    async def fetch_ticket(self, access_token: str) -> Credential:
        """Return the account's jsapi_ticket."""
        ...

    def sign_page(self, *, ticket: str, nonce: str, timestamp_s: int, url: str) -> str:
        """Return the signature that lets the page at this address (without fragment) use the JS-SDK."""
        ...

    async def send_paid(self, access_token: str, message: PaidMessage, template: Template) -> None:
        """
        Send a message. Safe to repeat for ten minutes: a template message is sent once, a subscribe message once for
        each consent.

        Raises:
            WeChatRefused: It will never be sent: 43004 does not follow the account, 43101 did not agree, 40037 no such
                template, …
        """
        ...

    async def aclose(self) -> None: ...


class MiniProgramGateway(Protocol):
    """The login of one mini-program."""

    async def redeem(self, js_code: str) -> str:
        """
        Return the openid behind a code from `wx.login`. A code works once and for five minutes.

        Raises:
            LoginRefused: The code is wrong, used or too old.
            WeChatRefused: The configuration is wrong.
            WeChatUnavailable: No believable answer; the code may be spent.
        """
        ...

    async def aclose(self) -> None: ...
