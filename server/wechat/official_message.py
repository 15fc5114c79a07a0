"""
Messages to people, of an official account or a mini-program: what to send, and what the answers mean.

Source: WeChat Official Accounts, "template messages", "subscribe messages"; WeChat Mini Programs, "subscribe messages".
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from server.official_ports import MessageKind, PaidMessage, Template
from server.wechat import errcode
from server.wechat.beijing import to_beijing_text

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


def message_path(kind: MessageKind, access_token: str) -> str:
    """Return path and query of the call. They carry the token: never log them."""
    return f"/cgi-bin/{kind}?{urlencode({'access_token': access_token})}"


def message_body(message: PaidMessage, template: Template) -> bytes:
    """
    Return the message. Values of `thing` fields are cut to what WeChat takes.

    WeChat sends the same `client_msg_id` of a template message to the same person once within ten minutes. Of the
    mini-program's pages nothing is known here, so its message names none.
    """
    data = {name: {"value": _fitting(name, FACTS[fact](message))} for name, fact in template.fields.items()}
    about = {
        MessageKind.TEMPLATE: {"url": message.url, "client_msg_id": message.client_msg_id},
        MessageKind.SUBSCRIBE: {"page": message.url},
        MessageKind.MINIPROGRAM: {},
    }[template.kind]
    return msgspec.json.encode({"touser": message.openid, "template_id": template.template_id, **about, "data": data})


def check_sent(kind: MessageKind, body: bytes) -> None:
    """
    Return if WeChat took the message; whether it arrived is never known here.

    Raises:
        StaleToken: The token has to be renewed first.
        WeChatRefused: This message will never be sent.
        WeChatUnavailable: Unknown, or not now.
    """
    errcode.check_with_token(kind, errcode.decode(kind, body, errcode.Answer), final=FINAL)


def _fitting(name: str, value: str) -> str:
    if not name.startswith("thing") or len(value) <= MAX_THING:
        return value
    return value[: MAX_THING - 1] + "…"
