"""The messages WeChat took for its users, and who agreed to be sent one."""

from typing import Any, Final

import msgspec

from sandbox.clock import Clock
from sandbox.logins import LoginRefused
from sandbox.users import Users

MAX_THING: Final = 20
REPEAT_S: Final = 600  # the same client_msg_id to the same person is sent once


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message as the person got it; `kind` is template, subscribe (official account) or miniprogram."""

    at_ms: float
    kind: str
    touser: str
    template_id: str
    data: dict[str, str]
    url: str = ""
    client_msg_id: str = ""


class Outbox:
    """A restart forgets it."""

    def __init__(self, users: Users, clock: Clock) -> None:
        self._users = users
        self._clock = clock
        self._grants: list[tuple[str, str]] = []
        self.messages: list[Message] = []

    def grant(self, openid: str, template_id: str) -> None:
        """This person tapped "allow": one subscribe message of this template."""
        self._grants.append((openid, template_id))

    def send_template(self, asked: dict[str, Any], *, appid: str) -> int:
        """
        Send a template message, or find the one sent before under its `client_msg_id`; return its number.

        Raises:
            LoginRefused: 40003, 40037 or 47003.
        """
        message = self._message("template", asked, appid=appid, url=str(asked.get("url", "")))
        repeat = [index for index, sent in enumerate(self.messages, 1) if self._is_repeat(sent, message)]
        return repeat[0] if repeat else self._send(message)

    def send_subscribed(self, kind: str, asked: dict[str, Any], *, appid: str) -> int:
        """
        Send a subscribe message and use up the consent; return its number.

        Raises:
            LoginRefused: 40003, 40037, 47003, or 43101 without consent.
        """
        message = self._message(kind, asked, appid=appid, url=str(asked.get("page", "")))
        consent = (message.touser, message.template_id)
        if consent not in self._grants:
            raise LoginRefused(43101, "user refuse to accept the msg")
        self._grants.remove(consent)
        return self._send(message)

    def _send(self, message: Message) -> int:
        self.messages.append(message)
        return len(self.messages)

    def _is_repeat(self, sent: Message, message: Message) -> bool:
        return (
            bool(message.client_msg_id)
            and (sent.touser, sent.client_msg_id) == (message.touser, message.client_msg_id)
            and message.at_ms < sent.at_ms + REPEAT_S * 1000
        )

    def _message(self, kind: str, asked: dict[str, Any], *, appid: str, url: str) -> Message:
        touser, template_id = str(asked.get("touser", "")), str(asked.get("template_id", ""))
        if not self._users.is_openid(touser, appid):
            raise LoginRefused(40003, "invalid openid")
        if not template_id:
            raise LoginRefused(40037, "invalid template_id")
        client_msg_id = str(asked.get("client_msg_id", ""))
        return Message(self._clock.now_ms(), kind, touser, template_id, _values(asked.get("data")), url, client_msg_id)


def _values(data: Any) -> dict[str, str]:
    try:
        fields = msgspec.convert(data, dict[str, dict[str, str]])
        values = {name: field["value"] for name, field in fields.items()}
    except (msgspec.ValidationError, KeyError):
        raise LoginRefused(47003, "argument invalid! data") from None
    for name, value in values.items():
        if not value or (name.startswith("thing") and len(value) > MAX_THING):
            raise LoginRefused(47003, f"argument invalid! data.{name}.value is invalid")
    return values
