"""Login: away to WeChat's OAuth page and back, bearer tokens, who am I."""

import secrets
import string

from msgspec import Struct

from handlers.auth import LOGIN_TTL_S, Session
from handlers.base import BaseHandler, is_own_path
from handlers.pages import PageHandler
from handlers.problems import ApiError
from handlers.requests import Nothing, read_json
from server.domain.events import Person
from server.domain.public_order import PublicPerson
from server.domain.user import User
from server.errors import LoginRefused
from server.ports import WeChatUser
from server.usecases.log_in import spend

CALLBACK_PATH = "/auth/callback"
_STATE_ALPHABET = string.ascii_letters + string.digits  # WeChat returns a state of letters and digits unchanged


class LoginHandler(PageHandler):
    """/auth/login?next=<path of ours>: off to WeChat."""

    def get(self) -> None:
        if self.leave_for_origin():
            return
        next_path = self.get_query_argument("next", "/")
        state = "".join(secrets.choice(_STATE_ALPHABET) for _ in range(32))
        ticket = self.sessions.login_ticket(next_path if is_own_path(next_path) else "/")
        # One cookie a login: two tabs may be on their way at once, and no other browser can finish either.
        self.keep_cookie(self.sessions.login_cookie_name(state), ticket, max_age_s=LOGIN_TTL_S)
        origin = self.services.settings.origin
        self.redirect(self.services.login.authorize_url(redirect_uri=origin + CALLBACK_PATH, state=state))


class CallbackHandler(PageHandler):
    """/auth/callback?code=…&state=…: back from WeChat."""

    async def get(self) -> None:
        await self.web.limits.check("logins", self.client_ip)
        state = self.get_query_argument("state", "")
        next_path = self._next_path(state)
        await spend("state", state, cache=self.services.cache)
        code = self.get_query_argument("code", "")
        if not code:
            raise LoginRefused("refused by the user")
        await spend("code", code, cache=self.services.cache)
        found = await self.services.login.redeem(code)
        if found.is_snapshot:
            raise ApiError(403, "login_snapshot")
        session = await self._log_in(found)
        before = self.sessions.of(self.request)
        cookie = self.sessions.cookie(session)
        for slot in ("", session.slot):
            self.keep_cookie(self.sessions.cookie_name(slot), cookie, max_age_s=self.sessions.ttl_s)
        # A tab that spoke for somebody else must learn that it has changed hands.
        changed = before is not None and before.slot != session.slot
        self.redirect(f"{next_path}#viewer={session.slot}" if changed else next_path)

    def _next_path(self, state: str) -> str:
        if not (state.isascii() and state.isalnum()):
            raise LoginRefused("state")
        name = self.sessions.login_cookie_name(state)
        next_path = self.sessions.redeem_login_ticket(self.get_cookie(name, "") or "")
        if next_path is None:
            raise LoginRefused("state")
        self.drop_cookie(name)
        return next_path

    async def _log_in(self, found: WeChatUser) -> Session:
        user = User(
            openid=found.openid,
            name=found.name,
            avatar=found.avatar,
            first_seen_ms=self.services.clock.now_ms(),
        )
        await self.services.store.remember_user(user)
        return Session(Person(found.openid, found.name, found.avatar))


class Me(Struct, frozen=True):
    """`viewer` is the name under which this browser keeps this person's session."""

    user: PublicPerson
    viewer: str


class MeHandler(BaseHandler):
    """/api/me"""

    def get(self) -> None:
        session = self.session()
        person = session.person
        self.answer(Me(PublicPerson(person.name, person.avatar), session.slot))


class Token(Struct, frozen=True):
    token: str
    expires_in_s: int


class TokenHandler(BaseHandler):
    """/api/token: a bearer token for an app or a server, from a session."""

    def post(self) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        self.answer(Token(self.sessions.token(self.session()), self.sessions.ttl_s), status=201)
