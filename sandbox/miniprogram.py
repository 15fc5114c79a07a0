"""The mini-program's login: `wx.login` on somebody's phone gives a js_code, the merchant's server redeems it."""

import base64
import secrets

from sandbox.control import ControlError, ControlHandler
from sandbox.logins import LoginRefused
from sandbox.oauth import SnsHandler


class Code2SessionHandler(SnsHandler):
    """/sns/jscode2session"""

    def act(self) -> dict[str, object]:
        merchant = self.world.merchant
        self.require("appid", merchant.miniprogram_appid, missing=41002, wrong=40013)
        self.require("secret", merchant.miniprogram_secret, missing=41004, wrong=40125)
        self.require("grant_type", "authorization_code", missing=40002, wrong=40002)
        code = self.get_query_argument("js_code", "")
        if not code:
            raise LoginRefused(41008, "missing code")
        session_key = base64.b64encode(secrets.token_bytes(16)).decode()
        return {"openid": self.world.js_codes.redeem(code), "session_key": session_key}


class JsCodeHandler(ControlHandler):
    """POST `{"persona"}`: `wx.login` on this person's phone → `{"js_code"}`."""

    def post(self) -> None:
        try:
            user = self.world.users.by_persona(str(self.asked().get("persona", "")))
        except ValueError as error:
            raise ControlError(400, "bad_persona", "persona: 1–32 characters") from error
        openid = self.world.users.openid_of(user, self.world.merchant.miniprogram_appid)
        self.answer({"js_code": self.world.js_codes.issue(openid)})
