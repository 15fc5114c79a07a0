"""The page that explains the simulator, its files, and the faces of its users."""

from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from tornado.web import StaticFileHandler

from sandbox.clock import beijing_timestamp
from sandbox.switches import SWITCHES
from sandbox.users import avatar_svg
from sandbox.web import Handler

_NEWEST: Final = 20


class HomeHandler(Handler):
    def get(self) -> None:
        now_ms = self.world.clock.now_ms()
        orders = list(self.world.ledger)
        refunds = sorted(
            ((order, refund, refund.status(now_ms)) for order in orders for refund in order.refunds),
            key=lambda line: line[1].asked_at_ms,
            reverse=True,
        )
        self.render_page(
            "home.html",
            merchant=self.world.merchant,
            users=self.world.users.to_choose_from(),
            orders=[(order, order.trade_state(now_ms)) for order in orders[: -_NEWEST - 1 : -1]],
            order_count=len(orders),
            refunds=refunds[:_NEWEST],
            refund_count=len(refunds),
            calls=list(islice(reversed(self.world.journal.calls), _NEWEST)),
            notifies=list(islice(reversed(self.world.journal.notifies), _NEWEST)),
            pending=len(self.world.notifier.pending()),
            clock_time=beijing_timestamp,
            switches=SWITCHES,
            faults=self.world.faults.as_json(),
            shop_url=self._shop_url(),
        )

    def _shop_url(self) -> str:
        """Where the merchant listens that was started together with this simulator: on the port before."""
        here = urlsplit(f"{self.request.protocol}://{self.request.host}")
        return f"{here.scheme}://{here.hostname}:{(here.port or 80) - 1}"


class AvatarHandler(Handler):
    def get(self, avatar: str) -> None:
        user = self.world.users.by_avatar(avatar)
        if user is None:
            self.send_error(404)
            return
        self.set_header("Content-Type", "image/svg+xml")
        self.set_header("Content-Security-Policy", "default-src 'none'")
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        self.finish(avatar_svg(user))


class AssetHandler(StaticFileHandler):
    """bridge.js and jweixin.js are meant for pages of another origin."""

    def set_extra_headers(self, path: str) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Access-Control-Allow-Origin", "*")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
