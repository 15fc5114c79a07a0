"""The friend's page, in WeChat and outside of it."""

from typing import Final

from handlers.auth import Session
from handlers.base import checked_order_id, login_path
from handlers.pages import PageHandler
from server.domain.day_stats import TraceKind

# WeChat's H5 cashier wants to know from which site the browser comes; no site is told from which page.
# Source: WeChat Pay API v2, "H5 payment".
REFERRER_POLICY: Final = "strict-origin-when-cross-origin"
_WECHAT: Final = "MicroMessenger"


class PayPageHandler(PageHandler):
    """
    /pay/<id>: the friend's page. WeChat adds `from=…` to a link that is passed on; it is kept out of the way.

    WeChat's login works in WeChat alone, so in any other browser the friend looks and pays as a guest. Where WeChat is
    simulated every browser stands for WeChat's, unless it is asked not to by `?outside=1`.
    """

    async def get(self, order_id: str) -> None:
        if self.leave_for_origin():
            return
        session = self.sessions.of(self.request)
        guest = self._guest(session)
        visitor = guest or session
        if visitor is None:
            self.redirect(login_path(self.request.uri or "/"))
            return
        order = await self.services.store.get(checked_order_id(order_id))
        if guest is not None:
            cookie = self.sessions.guest_cookie(guest)
            self.keep_cookie(self.sessions.guest_cookie_name, cookie, max_age_s=self.sessions.ttl_s)
        self.set_header("Referrer-Policy", REFERRER_POLICY)
        self.show("pay.html", order_id=order.order_id, guest="1" if guest else "")
        if self.request.method == "GET":  # a link preview asks with HEAD
            self.services.traces.leave(order, TraceKind.OPENED, visitor.person.openid)

    def _guest(self, session: Session | None) -> Session | None:
        """Return the guest this page is for, or None if it is for somebody who logs in."""
        known = self.sessions.guest_of(self.request)
        is_simulated = bool(self.services.settings.simulator_url)
        if is_simulated and self.get_query_argument("outside", ""):
            return known or self.sessions.new_guest()
        if session is not None or known is not None:
            return None if session is not None else known
        is_wechat = is_simulated or _WECHAT in self.request.headers.get("User-Agent", "")
        return None if is_wechat else self.sessions.new_guest()
