"""
Template messages of an official account: what to send, and what the answers mean.

Source: WeChat Official Accounts, "template messages".
"""

from typing import Final
from urllib.parse import urlencode

import msgspec

from server.ports import TemplateMessage
from server.wechat import errcode

TEMPLATE: Final = "message/template/send"

# Sending it again brings the same answer: wrong or not following openid, template, address, not subscribed, data.
FINAL: Final = errcode.CONFIGURATION | {40003, 40036, 40037, 41030, 43004, 43101, 47003}

MAX_THING: Final = 20  # characters of a `thing` field; a longer one is refused with 47003


def template_path(access_token: str) -> str:
    """Return path and query of the call. They carry the token: never log them."""
    return f"/cgi-bin/{TEMPLATE}?{urlencode({'access_token': access_token})}"


def template_body(message: TemplateMessage) -> bytes:
    """
    Return the message. WeChat sends the same `client_msg_id` to the same person once within ten minutes.

    Values of `thing` fields are cut to what WeChat takes.
    """
    return msgspec.json.encode(
        {
            "touser": message.openid,
            "template_id": message.template_id,
            "url": message.url,
            "client_msg_id": message.client_msg_id,
            "data": {name: {"value": _fitting(name, value)} for name, value in message.data.items()},
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
