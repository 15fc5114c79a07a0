"""Login: away to WeChat's OAuth page and back, bearer tokens, who am I."""

import secrets
import string
from urllib.parse import urldefrag

import structlog
from msgspec import Struct

from handlers.auth import LOGIN_TTL_S, LoginTicket, Session
from handlers.base import BaseHandler, is_own_path
from handlers.pages import PageHandler
from handlers.problems import ApiError
from handlers.requests import Nothing, read_json
from server.domain.events import Person
from server.domain.public_order import PublicPerson
from server.errors import LoginRefused, WeChatError
from server.ports import Scope
from server.usecases.log_in import is_nameless, log_in, spend

log = structlog.get_logger()

CALLBACK_PATH = "/auth/callback"
_STATE_ALPHABET = string.ascii_letters + string.digits  # WeChat returns a state of letters and digits unchanged


class _ToWeChat(PageHandler):
    """Sends a browser to WeChat's login and knows it again when it comes back."""

    def _ask_wechat(self, ticket: LoginTicket) -> None:
        state = "".join(secrets.choice(_STATE_ALPHABET) for _ in range(32))
        # One cookie a step: two tabs may be on their way at once, and no other browser can finish either.
        name = self.sessions.login_cookie_name(state)
        self.keep_cookie(name, self.sessions.login_cookie(ticket), max_age_s=LOGIN_TTL_S)
        redirect_uri = self.services.settings.origin + CALLBACK_PATH
        url = self.services.login.authorize_url(redirect_uri=redirect_uri, state=state, scope=ticket.scope)
        self.redirect(url)


class LoginHandler(_ToWeChat):
    """/auth/login?next=<path of ours>: off to WeChat, which says silently who this is."""

    def get(self) -> None:
        if self.leave_for_origin():
            return
        next_path = self.get_query_argument("next", "/")
        self._ask_wechat(LoginTicket(next_path if is_own_path(next_path) else "/", Scope.BASE))


class CallbackHandler(_ToWeChat):
    """
    /auth/callback?code=…&state=…: back from WeChat.

    Somebody whose name nobody knows is logged in all the same and sent to WeChat once more, to be asked for his name
    and avatar. However he comes back from there, he goes on: a login asks once.
    """

    async def get(self) -> None:
        ticket = await self._ticket(self.get_query_argument("state", ""))
        try:
            person = await self._person()
        except (LoginRefused, WeChatError) as error:
            if ticket.scope is Scope.BASE:
                raise
            log.info("name_not_told", reason=str(error))
            self.redirect(ticket.next_path)
            return
        next_path = self._keep_session(Session(person), ticket.next_path)
        if ticket.scope is Scope.BASE and is_nameless(person):
            self._ask_wechat(LoginTicket(next_path, Scope.USERINFO))
        else:
            self.redirect(next_path)

    async def _ticket(self, state: str) -> LoginTicket:
        if not (state.isascii() and state.isalnum()):
            raise LoginRefused("state")
        name = self.sessions.login_cookie_name(state)
        ticket = self.sessions.login_ticket(self.get_cookie(name, "") or "")
        if ticket is None:
            raise LoginRefused("state")
        if ticket.scope is Scope.BASE:  # both steps are one login
            await self.web.limits.check("logins", self.client_ip)
        self.drop_cookie(name)
        await spend("state", state, cache=self.services.cache)
        return ticket

    async def _person(self) -> Person:
        code = self.get_query_argument("code", "")
        if not code:
            raise LoginRefused("refused by the user")
        await spend("code", code, cache=self.services.cache)
        found = await self.services.login.redeem(code)
        if found.is_snapshot:
            raise ApiError(403, "login_snapshot")
        return await log_in(found, store=self.services.store, clock=self.services.clock)

    def _keep_session(self, session: Session, next_path: str) -> str:
        """Log this browser in; return where to go on, with a word to a tab that spoke for somebody else until now."""
        before = self.sessions.of(self.request)
        cookie = self.sessions.cookie(session)
        for slot in ("", session.slot):
            self.keep_cookie(self.sessions.cookie_name(slot), cookie, max_age_s=self.sessions.ttl_s)
        changed = before is not None and before.slot != session.slot
        return f"{urldefrag(next_path).url}#viewer={session.slot}" if changed else next_path


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
