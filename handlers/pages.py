"""The pages: an HTML shell each, painted before any API call; the scripts in `static/js` do the rest."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tornado.web import StaticFileHandler

from handlers.auth import Session
from handlers.base import BaseHandler, checked_order_id, login_path
from handlers.problems import ApiError
from handlers.texts import text

STATIC: Final = Path(__file__).resolve().parent.parent / "static"
PAGES: Final = STATIC / "pages"

JSSDK_HOST: Final = "https://res.wx.qq.com"  # pages load WeChat's JS-SDK from there, inside WeChat

_TITLES: Final = {"zh-CN": "出错了", "en": "Something is wrong"}
_BACK: Final = {"zh-CN": "回到首页", "en": "Back to the start"}


class PageHandler(BaseHandler):
    """A page for people: cookies are bound to one address, errors are shown as a page."""

    def prepare(self) -> None:
        self._set_page_headers()

    def head(self, *args: str) -> Any:
        """Link previews and uptime checks ask so: the same answer, without the page."""
        return self.get(*args)

    def leave_for_origin(self) -> bool:
        """
        Send the browser to our one address if it came by another name (localhost for 127.0.0.1).

        Cookies, the login's way back and the socket's Origin all belong to that address. Its scheme is not looked at:
        behind a proxy that speaks TLS every request comes as plain http.
        """
        origin = self.services.settings.origin
        if self.request.host == urlsplit(origin).netloc or not self.services.settings.simulator_url:
            return False
        self.redirect(origin + (self.request.uri or "/"))
        return True

    def session_or_login(self) -> Session | None:
        """Return who looks; None when he is already on his way to the login."""
        if self.leave_for_origin():
            return None
        session = self.sessions.of(self.request)
        if session is None:
            self.redirect(login_path(self.request.uri or "/"))
        return session

    def show(self, page: str, **values: str | bool) -> None:
        """Render a page; every value in it is escaped."""
        settings = self.services.settings
        self.render(
            page,
            lang=self.language,
            simulator_url=settings.simulator_url,
            public_url=settings.origin,
            **values,
        )

    def keep_cookie(self, name: str, value: str, *, max_age_s: int) -> None:
        """Set a cookie that scripts cannot read and other sites cannot use."""
        self.set_cookie(name, value, max_age=max_age_s, **self._cookie_attributes())

    def drop_cookie(self, name: str) -> None:
        """Make the browser forget a cookie; it must be named with the attributes it was set with."""
        self.clear_cookie(name, **self._cookie_attributes())

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        self.set_status(status)
        self._set_page_headers()  # an error began with a clean slate
        language = self.language
        words = text(code, language, detail)
        self.show("message.html", title=_TITLES[language], text=words, link="/", link_text=_BACK[language])

    def _cookie_attributes(self) -> dict[str, Any]:
        secure = self.services.settings.origin.startswith("https:")
        return {"path": "/", "httponly": True, "secure": secure, "samesite": "Lax"}

    def _set_page_headers(self) -> None:
        self.set_header("Content-Security-Policy", self._content_security_policy())
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        if self.services.settings.origin.startswith("https:"):
            self.set_header("Strict-Transport-Security", "max-age=31536000")

    def _content_security_policy(self) -> str:
        settings = self.services.settings
        simulator = settings.simulator_url
        socket = settings.origin.replace("http", "ws", 1)
        rules = {
            "default-src": "'none'",
            "script-src": f"'self' {simulator or JSSDK_HOST}",
            "style-src": "'self'",
            "img-src": f"'self' data: https: {simulator}",
            "connect-src": f"'self' {socket}",
            "frame-src": simulator or "'none'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        return "; ".join(f"{name} {value.strip()}" for name, value in rules.items())


class HomeHandler(PageHandler):
    """/"""

    def get(self) -> None:
        if self.session_or_login() is not None:
            settings = self.services.settings
            self.show("home.html", max_amount=str(settings.order_max_amount), default_ttl_s=str(settings.order_ttl_s))


class OrderPageHandler(PageHandler):
    """
    /orders/<id>: the initiator's live page.

    Its script sends anybody else on to /pay/<id>: only the tab knows whom of several people in one browser it plays.
    """

    async def get(self, order_id: str) -> None:
        if self.session_or_login() is None:
            return
        order = await self.services.store.get(checked_order_id(order_id))
        self.show("order.html", order_id=order.order_id)


class NotFoundPageHandler(PageHandler):
    """Every address that has no route and is not for programs."""

    def prepare(self) -> None:
        raise ApiError(404, "not_found")


class AssetHandler(StaticFileHandler):
    """/static/…: what pages load. Asked for again each time, answered 304 while unchanged."""

    def set_default_headers(self) -> None:
        self.set_header("Server", "daifu")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish()
