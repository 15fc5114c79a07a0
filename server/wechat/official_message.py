"""
Template messages of an official account: what to send, and what the answers mean.

Source: WeChat Official Accounts, "template messages".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import msgspec

from server.official_ports import PaidMessage
from server.wechat import errcode
from server.wechat.beijing import to_beijing_text

TEMPLATE: Final = "message/template/send"

# Sending it again brings the same answer: wrong or not following openid, template, address, not subscribed, data.
FINAL: Final = errcode.CONFIGURATION | {40003, 40036, 40037, 41030, 43004, 43101, 47003}

MAX_THING: Final = 20  # characters of a `thing` field; a longer one is refused with 47003

# What a field of the template can say; an empty value would be refused with 47003.
FACTS: Final[Mapping[str, Callable[[PaidMessage], str]]] = {
    "title": lambda message: message.title,
    "payer": lambda message: message.payer or "微信用户",
    "amount": lambda message: f"¥{message.amount // 100}.{message.amount % 100:02}",
    "progress": lambda message: f"{message.paid_shares}/{message.shares}",
    "paid_at": lambda message: to_beijing_text(message.paid_at_ms),
}


@dataclass(frozen=True, slots=True)
class Template:
    """The account's template: its id, and which of `FACTS` each of its fields says, such as `thing1` the `title`."""

    template_id: str
    fields: Mapping[str, str]


def template_path(access_token: str) -> str:
    """Return path and query of the call. They carry the token: never log them."""
    return f"/cgi-bin/{TEMPLATE}?{urlencode({'access_token': access_token})}"


def template_body(message: PaidMessage, template: Template) -> bytes:
    """
    Return the message. WeChat sends the same `client_msg_id` to the same person once within ten minutes.

    Values of `thing` fields are cut to what WeChat takes.
    """
    return msgspec.json.encode(
        {
            "touser": message.openid,
            "template_id": template.template_id,
            "url": message.url,
            "client_msg_id": message.client_msg_id,
            "data": {name: {"value": _fitting(name, FACTS[fact](message))} for name, fact in template.fields.items()},
        }
    )


def check_sent(body: bytes) -> None:
    """
    Return if WeChat took the message; whether it arrived is never known here.

    Raises:
        StaleToken: The token has to be renewed first.
        WeChatRefused: This message will never be sent.
        WeChatUnavailable: Unknown, or not now.
    """
    errcode.check_with_token(TEMPLATE, errcode.decode(TEMPLATE, body, errcode.Answer), final=FINAL)


def _fitting(name: str, value: str) -> str:
    if not name.startswith("thing") or len(value) <= MAX_THING:
        return value
    return value[: MAX_THING - 1] + "…"
