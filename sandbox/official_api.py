"""The official account's API for the merchant's server: token, ticket, messages; and what people may see of it."""

from typing import Any

import msgspec

from sandbox.control import ControlError, ControlHandler
from sandbox.logins import LoginRefused
from sandbox.oauth import SnsHandler


class _PostHandler(SnsHandler):
    async def post(self) -> None:
        await self.answer_call()

    def asked(self) -> dict[str, Any]:
        try:
            return msgspec.json.decode(self.request.body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise LoginRefused(47001, "data format error") from error

    def check_token(self) -> None:
        self.world.tokens.check(self.get_query_argument("access_token", ""))


class StableTokenHandler(_PostHandler):
    """/cgi-bin/stable_token"""

    def act(self) -> dict[str, object]:
        merchant, asked = self.world.merchant, self.asked()
        if asked.get("grant_type") != "client_credential":
            raise LoginRefused(40002, "invalid grant_type")
        if asked.get("appid") != merchant.appid:
            raise LoginRefused(40013, "invalid appid")
        if asked.get("secret") != merchant.app_secret:
            raise LoginRefused(40125, "invalid appsecret")
        force = asked.get("force_refresh", False)
        if not isinstance(force, bool):
            raise LoginRefused(47001, "data format error")
        access_token, expires_in = self.world.tokens.stable_token(force=force)
        return {"access_token": access_token, "expires_in": expires_in}


class TicketHandler(_PostHandler):
    """/cgi-bin/ticket/getticket"""

    def act(self) -> dict[str, object]:
        self.check_token()
        if self.get_query_argument("type", "") != "jsapi":
            raise LoginRefused(40097, "invalid args")
        ticket, expires_in = self.world.tokens.ticket()
        return {"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": expires_in}


class TemplateHandler(_PostHandler):
    """/cgi-bin/message/template/send"""

    def act(self) -> dict[str, object]:
        self.check_token()
        return {"errcode": 0, "errmsg": "ok", "msgid": self.world.outbox.send_template(self.asked())}


class SubscribeHandler(_PostHandler):
    """/cgi-bin/message/subscribe/bizsend (official account) and …/send (mini-program)"""

    def act(self) -> dict[str, object]:
        self.check_token()
        kind = "subscribe" if self.request.path.endswith("/bizsend") else "miniprogram"
        return {"errcode": 0, "errmsg": "ok", "msgid": self.world.outbox.send_subscribed(kind, self.asked())}


class MessagesHandler(ControlHandler):
    """GET: every message people got. POST `{"openid","template_id"}`: this person agrees to one subscribe message."""

    def get(self) -> None:
        self.answer({"messages": self.world.outbox.messages})

    def post(self) -> None:
        asked = self.asked()
        openid, template_id = asked.get("openid"), asked.get("template_id")
        if not isinstance(openid, str) or not isinstance(template_id, str):
            raise ControlError(400, "bad_request", "give openid and template_id, as strings")
        self.world.outbox.grant(openid, template_id)
        self.get()
