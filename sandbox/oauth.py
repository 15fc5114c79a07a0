"""WeChat login: the authorize page where a person chooses who he is, and the /sns calls of the merchant's server."""

import re
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from sandbox.logins import SCOPES, TOKEN_LIFE_S, LoginRefused
from sandbox.users import User
from sandbox.web import Answer, Handler, WeChatCallHandler

_ORDER: Final = ("appid", "redirect_uri", "response_type", "scope", "state")
_OPTIONAL: Final = frozenset({"forcePopup", "persona", "refuse", "snapshot"})
_STATE: Final = re.compile(r"[a-zA-Z0-9]{1,128}")
_WHO: Final = "sim_persona"  # whose phone this browser is, as chosen at its last silent login


class _PageError(Exception):
    """WeChat's page error: a number, as far as one is known, and what is wrong."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class AuthorizeHandler(Handler):
    """
    A silent login (`snsapi_base`) asks nobody anything, but a browser has to say once whose phone it is; after that
    `snsapi_userinfo` shows this person WeChat's consent page. `persona` chooses and agrees without a page; `refuse`
    goes back with the state alone, as WeChat does; `snapshot` looks in from a preview, as somebody made up.
    """

    def get(self) -> None:
        try:
            asked = self._asked()
            user = self.world.users.by_persona(asked["persona"]) if "persona" in asked else None
        except _PageError as error:
            self._show_error(str(error), error.number)
            return
        except ValueError:
            self._show_error("persona: 1–32 characters")
            return
        if "refuse" in asked:
            self._return_to(asked, {})
        elif "snapshot" in asked:
            self._return_to(asked, {"code": self.world.logins.issue_snapshot_code(asked["scope"])})
        elif user is not None:
            self._go_on_as(user, asked)
        else:
            self._show_page(asked)

    def _go_on_as(self, user: User, asked: dict[str, str]) -> None:
        if asked["scope"] == "snsapi_base":
            self.set_cookie(_WHO, quote(user.nickname), path="/connect", httponly=True, samesite="Lax")
        self._return_to(asked, {"code": self.world.logins.issue_code(user.openid, asked["scope"])})

    def _whose_phone(self) -> User | None:
        try:
            return self.world.users.by_persona(unquote(self.get_cookie(_WHO, "") or ""))
        except ValueError:
            return None

    def _asked(self) -> dict[str, str]:
        pairs = parse_qsl(self.request.query, keep_blank_values=True)
        names = [name for name, _ in pairs]
        asked = dict(pairs)
        if tuple(names[: len(_ORDER)]) != _ORDER or not set(names[len(_ORDER) :]) <= _OPTIONAL:
            raise _PageError(f"the parameters must be {', '.join(_ORDER)}, in this order")
        if asked["appid"] != self.world.merchant.appid:
            raise _PageError("unknown appid")
        if not _is_web_address(asked["redirect_uri"]):
            raise _PageError("redirect_uri does not match", 10003)
        if asked["response_type"] != "code":
            raise _PageError("response_type must be code")
        if asked["scope"] not in SCOPES:
            raise _PageError("no right for this scope", 10005)
        if not _STATE.fullmatch(asked["state"]):
            raise _PageError("state must be 1–128 characters of a–z, A–Z, 0–9")
        return asked

    def _return_to(self, asked: dict[str, str], extra: dict[str, str]) -> None:
        uri = asked["redirect_uri"]
        mark = "&" if urlsplit(uri).query else "?"
        self.redirect(uri + mark + urlencode({**extra, "state": asked["state"]}))

    def _show_page(self, asked: dict[str, str]) -> None:
        again = urlencode({name: asked[name] for name in _ORDER})
        host = urlsplit(asked["redirect_uri"]).netloc
        me = self._whose_phone()
        if asked["scope"] == "snsapi_userinfo" and me is not None:
            self.render_page("consent.html", again=again, me=me, host=host)
            return
        self.render_page(
            "login.html",
            again=again,
            hidden={name: asked[name] for name in _ORDER},
            users=self.world.users.to_choose_from(),
            scope=asked["scope"],
            host=host,
        )

    def _show_error(self, message: str, number: int | None = None) -> None:
        self.set_status(400)
        self.render_page("error.html", message=message, number=number)


class SnsHandler(WeChatCallHandler):
    """Answers JSON with HTTP 200 and an errcode, whatever goes wrong."""

    async def get(self) -> None:
        await self.answer_call()

    def act(self) -> dict[str, object]:
        """
        Return the answer's fields.

        Raises:
            LoginRefused: Answered with its errcode.
        """
        raise NotImplementedError

    def require(self, name: str, value: str, *, missing: int, wrong: int) -> None:
        """
        Return if the query has this value under this name.

        Raises:
            LoginRefused: With the code `missing` or `wrong`.
        """
        given = self.get_query_argument(name, "", strip=False)
        if not given:
            raise LoginRefused(missing, f"{name} missing")
        if given != value:
            raise LoginRefused(wrong, f"invalid {name}")

    def perform(self) -> Answer:
        try:
            return Answer(msgspec.json.encode(self.act()), "ok")
        except LoginRefused as refused:
            return self.refuse(refused.errcode, refused.errmsg)

    def refuse(self, code: str | int, message: str) -> Answer:
        return Answer(msgspec.json.encode({"errcode": int(code), "errmsg": message}), str(code))


class AccessTokenHandler(SnsHandler):
    def act(self) -> dict[str, object]:
        merchant = self.world.merchant
        self.require("appid", merchant.appid, missing=41002, wrong=40013)
        self.require("secret", merchant.app_secret, missing=41004, wrong=40125)
        self.require("grant_type", "authorization_code", missing=40002, wrong=40002)
        code = self.get_query_argument("code", "")
        if not code:
            raise LoginRefused(41008, "missing code")
        access_token, grant = self.world.logins.redeem(code)
        seen_as = {"is_snapshotuser": 1} if grant.is_snapshot else {}
        return {
            "access_token": access_token,
            "expires_in": TOKEN_LIFE_S,
            "refresh_token": access_token[::-1],
            "openid": grant.openid,
            "scope": grant.scope,
            **seen_as,
        }


class UserInfoHandler(SnsHandler):
    def act(self) -> dict[str, object]:
        openid = self.get_query_argument("openid", "")
        grant = self.world.logins.check(self.get_query_argument("access_token", ""), openid)
        if grant.scope != "snsapi_userinfo":
            raise LoginRefused(48001, "api unauthorized")
        user = self.world.users.get(openid)
        if user is None:
            raise LoginRefused(40003, "invalid openid")
        return {
            "openid": user.openid,
            "nickname": user.nickname,
            "sex": 0,
            "language": "",
            "city": "",
            "province": "",
            "country": "",
            "headimgurl": f"{self.request.protocol}://{self.request.host}/_sim/avatar/{user.avatar}.svg",
            "privilege": [],
        }


class AuthHandler(SnsHandler):
    def act(self) -> dict[str, object]:
        self.world.logins.check(self.get_query_argument("access_token", ""), self.get_query_argument("openid", ""))
        return {"errcode": 0, "errmsg": "ok"}


def _is_web_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and uri.isprintable()
