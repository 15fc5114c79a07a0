"""The calls of the official account (login, tokens, messages) and of the mini-program's login."""

from typing import Final

from server.official_ports import Credential, PaidMessage, Template
from server.ports import Scope, WeChatUser
from server.wechat import miniprogram, official, official_message, official_token
from server.wechat.line import JSON, TOTAL_TIMEOUT_S, Line

STABLE_TOKEN_PATH: Final = f"/cgi-bin/{official_token.STABLE_TOKEN}"


class WeChatLoginClient:
    """Fills `ports.LoginGateway` for one official account."""

    def __init__(
        self,
        appid: str,
        app_secret: str,
        api_base_url: str,
        authorize_base_url: str,
        *,
        total_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._appid = appid
        self._app_secret = app_secret
        self._authorize_base_url = authorize_base_url.rstrip("/")
        self._line = Line([api_base_url], total_s)

    def authorize_url(self, *, redirect_uri: str, state: str, scope: Scope) -> str:
        return official.authorize_url(
            self._authorize_base_url, appid=self._appid, redirect_uri=redirect_uri, state=state, scope=scope
        )

    async def redeem(self, code: str) -> WeChatUser:
        path = official.access_token_path(appid=self._appid, secret=self._app_secret, code=code)
        token = official.read_access_token(await self._line.fetch(official.REDEEM, "GET", path))
        if token.is_snapshot or not token.opens_name:
            return official.nameless_user(token)
        path = official.userinfo_path(token)
        return official.read_userinfo(await self._line.fetch(official.USERINFO, "GET", path), token)

    async def aclose(self) -> None:
        await self._line.aclose()


class OfficialClient:
    """Fills `ports.OfficialGateway` for one official account, or for a mini-program, which has no ticket."""

    def __init__(
        self,
        appid: str,
        app_secret: str,
        base_url: str,
        *,
        total_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._appid = appid
        self._app_secret = app_secret
        self._line = Line([base_url], total_s)

    async def fetch_access_token(self, *, force: bool) -> Credential:
        body = official_token.stable_token_body(appid=self._appid, secret=self._app_secret, force=force)
        answer = await self._line.fetch(official_token.STABLE_TOKEN, "POST", STABLE_TOKEN_PATH, body, headers=JSON)
        return official_token.read_stable_token(answer)

    async def fetch_ticket(self, access_token: str) -> Credential:
        path = official_token.ticket_path(access_token)
        return official_token.read_ticket(await self._line.fetch(official_token.TICKET, "GET", path))

    def sign_page(self, *, ticket: str, nonce: str, timestamp_s: int, url: str) -> str:
        return official_token.jssdk_signature(ticket=ticket, nonce=nonce, timestamp_s=timestamp_s, url=url)

    async def send_paid(self, access_token: str, message: PaidMessage, template: Template) -> None:
        kind = template.kind
        path = official_message.message_path(kind, access_token)
        body = official_message.message_body(message, template)
        official_message.check_sent(kind, await self._line.fetch(kind, "POST", path, body, headers=JSON))

    async def aclose(self) -> None:
        await self._line.aclose()


class MiniProgramClient:
    """Fills `ports.MiniProgramGateway` for one mini-program."""

    def __init__(self, appid: str, secret: str, base_url: str, *, total_s: float = TOTAL_TIMEOUT_S) -> None:
        self._appid = appid
        self._secret = secret
        self._line = Line([base_url], total_s)

    async def redeem(self, js_code: str) -> str:
        path = miniprogram.code2session_path(appid=self._appid, secret=self._secret, js_code=js_code)
        return miniprogram.read_openid(await self._line.fetch(miniprogram.CODE2SESSION, "GET", path))

    async def aclose(self) -> None:
        await self._line.aclose()
