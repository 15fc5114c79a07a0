"""Login of a mini-program: a code from `wx.login` for a bearer token."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from handlers.auth import Session
from handlers.base import BaseHandler
from handlers.login import Token
from handlers.problems import ApiError
from handlers.requests import clean_text, read_json
from server.usecases.log_in import log_in_miniprogram

MAX_CODE: Final = 128
MAX_NAME: Final = 32


class MiniProgramLogin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`code` from `wx.login`; `name` is what the user calls himself, because WeChat does not tell."""

    code: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_CODE})]
    name: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_NAME})] = ""


class MiniProgramHandler(BaseHandler):
    """/auth/miniprogram"""

    async def post(self) -> None:
        self.guard_write()
        await self.web.limits.check("logins", self.client_ip)
        services = self.services
        if services.miniprogram is None:
            raise ApiError(404, "no_miniprogram")
        asked = read_json(self.request.body, MiniProgramLogin)
        person = await log_in_miniprogram(
            clean_text(asked.code, "code", max_length=MAX_CODE, required=True, lines="one"),
            clean_text(asked.name, "name", max_length=MAX_NAME, required=False, lines="one"),
            gateway=services.miniprogram,
            store=services.store,
            cache=services.cache,
            clock=services.clock,
        )
        self.answer(Token(self.sessions.token(Session(person)), self.sessions.ttl_s), status=201)
