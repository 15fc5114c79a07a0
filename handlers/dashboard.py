"""/admin: the operator's page, and the way in and out."""

import structlog
from msgspec import Struct

from handlers.base import BaseHandler
from handlers.operator_request import guard_own_origin
from handlers.operators import TTL_S
from handlers.pages import PageHandler
from handlers.problems import ApiError
from handlers.requests import Nothing, read_json

log = structlog.get_logger()


class DashboardHandler(PageHandler):
    """/admin"""

    def get(self) -> None:
        if self.leave_for_origin():
            return
        standing = self.web.operators.standing(self.request)
        if standing == "refused":
            raise ApiError(403, "operator_refused")
        if standing == "out":
            self.show("admin_login.html")
        else:
            self.show("admin.html", has_password=self.web.operators.has_password)


class Password(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /admin/login"""

    password: str


class Done(Struct, frozen=True):
    status: str = "ok"


class OperatorLoginHandler(BaseHandler):
    """/admin/login: a password for a session."""

    async def post(self) -> None:
        self.guard_write()
        guard_own_origin(self)
        asked = read_json(self.request.body, Password)
        try:
            cookie = await self.web.operators.log_in(asked.password, self.client_ip)
        except ApiError as refused:
            log.warning("operator_refused", address=self.client_ip, reason=refused.code)
            raise
        log.info("operator_came", address=self.client_ip)
        self.set_cookie(
            self.sessions.operator_cookie_name, cookie, max_age=TTL_S, **self.sessions.operator_cookie_attributes
        )
        self.answer(Done())


class OperatorLogoutHandler(BaseHandler):
    """/admin/logout"""

    def post(self) -> None:
        self.guard_write()
        guard_own_origin(self)
        read_json(self.request.body, Nothing)
        self.clear_cookie(self.sessions.operator_cookie_name, **self.sessions.operator_cookie_attributes)
        self.answer(Done())
