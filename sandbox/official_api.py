"""The official account's API for the merchant's server: token, ticket, messages; and what people may see of it."""

from typing import Any

import msgspec

from sandbox.control import ControlError, ControlHandler
from sandbox.logins import LoginRefused
from sandbox.oauth import SnsHandler
from sandbox.tokens import Tokens


class _PostHandler(SnsHandler):
    async def post(self) -> None:
        await self.answer_call()

    def asked(self) -> dict[str, Any]:
        try:
            return msgspec.json.decode(self.request.body, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise LoginRefused(47001, "data format error") from error

    def check_token(self, tokens: Tokens) -> None:
        tokens.check(self.get_query_argument("access_token", ""))


class StableTokenHandler(_PostHandler):
    """/cgi-bin/stable_token"""

    def act(self) -> dict[str, object]:
        merchant, asked = self.world.merchant, self.asked()
        if asked.get("grant_type") != "client_credential":
            raise LoginRefused(40002, "invalid grant_type")
        accounts = {
            merchant.appid: (merchant.app_secret, self.world.tokens),
            merchant.miniprogram_appid: (merchant.miniprogram_secret, self.world.miniprogram_tokens),
        }
        account = accounts.get(str(asked.get("appid")))
        if account is None:
            raise LoginRefused(40013, "invalid appid")
        secret, tokens = account
        if asked.get("secret") != secret:
            raise LoginRefused(40125, "invalid appsecret")
        force = asked.get("force_refresh", False)
        if not isinstance(force, bool):
            raise LoginRefused(47001, "data format error")
        access_token, expires_in = tokens.stable_token(force=force)
        return {"access_token": access_token, "expires_in": expires_in}


class TicketHandler(_PostHandler):
    """/cgi-bin/ticket/getticket"""

    def act(self) -> dict[str, object]:
        self.check_token(self.world.tokens)
        if self.get_query_argument("type", "") != "jsapi":
            raise LoginRefused(40097, "invalid args")
        ticket, expires_in = self.world.tokens.ticket()
        return {"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": expires_in}


class TemplateHandler(_PostHandler):
    """/cgi-bin/message/template/send"""

    def act(self) -> dict[str, object]:
        self.check_token(self.world.tokens)
        number = self.world.outbox.send_template(self.asked(), appid=self.world.merchant.appid)
        return {"errcode": 0, "errmsg": "ok", "msgid": number}


class SubscribeHandler(_PostHandler):
    """/cgi-bin/message/subscribe/bizsend (official account) and …/send (mini-program)"""

    def act(self) -> dict[str, object]:
        world, merchant = self.world, self.world.merchant
        kind, tokens, appid = (
            ("subscribe", world.tokens, merchant.appid)
            if self.request.path.endswith("/bizsend")
            else ("miniprogram", world.miniprogram_tokens, merchant.miniprogram_appid)
        )
        self.check_token(tokens)
        return {"errcode": 0, "errmsg": "ok", "msgid": world.outbox.send_subscribed(kind, self.asked(), appid=appid)}


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
