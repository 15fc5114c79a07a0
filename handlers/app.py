"""All routes on one page."""

from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import Application, RequestHandler

from handlers.auth import Sessions
from handlers.base import InFlight, NotFoundHandler, TooLargeHandler
from handlers.login import CALLBACK_PATH, CallbackHandler, LoginHandler, MeHandler, TokenHandler
from handlers.notify import PayNotifyHandler
from handlers.ops import HealthHandler, ReadyHandler
from handlers.orders import CloseHandler, OrderHandler, OrdersHandler, ShareCodeHandler
from handlers.pages import (
    PAGES,
    STATIC,
    AssetHandler,
    HomeHandler,
    NotFoundPageHandler,
    OrderPageHandler,
    PayPageHandler,
)
from handlers.payments import CancelHandler, ConfirmHandler, PaymentsHandler
from handlers.watch import WatchHandler
from server.bootstrap import NOTIFY_PATH, Services

MAX_BODY_BYTES = 64 * 1024
MAX_SOCKET_MESSAGE_BYTES = 4096


def _no_access_log(handler: RequestHandler) -> None:
    """Tornado would write a line for each request; what matters is logged where it happens."""


class AnnouncedTooLarge(Matcher):
    """Matches a request whose body will be too large, before the first byte of it is kept."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        length = request.headers.get("Content-Length", "")
        is_number = length.isascii() and length.isdigit()  # anything else the connection refuses
        return {} if is_number and int(length) > MAX_BODY_BYTES else None


def make_app(services: Services, in_flight: InFlight) -> Application:
    """Return the application; every handler gets the services and the sessions."""
    sessions = Sessions(
        services.settings.session_secrets,
        ttl_s=services.settings.session_ttl_s,
        secure=services.settings.origin.startswith("https:"),
        now_s=lambda: services.clock.now_ms() / 1000,
    )
    given: dict[str, Any] = {"services": services, "sessions": sessions}
    counted = {**given, "in_flight": in_flight}
    order = r"/api/orders/([^/]+)"
    payment = order + r"/payments/([^/]+)"
    return Application(
        [
            # Not counted as in flight: nobody has to wait for it when the process goes down.
            (AnnouncedTooLarge(), TooLargeHandler, {**given, "in_flight": InFlight()}),
            (r"/", HomeHandler, counted),
            (r"/orders/([^/]+)", OrderPageHandler, counted),
            (r"/pay/([^/]+)", PayPageHandler, counted),
            (r"/auth/login", LoginHandler, counted),
            (CALLBACK_PATH, CallbackHandler, counted),
            (r"/api/me", MeHandler, counted),
            (r"/api/token", TokenHandler, counted),
            (r"/api/orders", OrdersHandler, counted),
            (order, OrderHandler, counted),
            (order + r"/close", CloseHandler, counted),
            (order + r"/qr\.svg", ShareCodeHandler, counted),
            (order + r"/payments", PaymentsHandler, counted),
            (payment + r"/confirm", ConfirmHandler, counted),
            (payment + r"/cancel", CancelHandler, counted),
            (r"/ws/orders/([^/]+)", WatchHandler, given),
            (NOTIFY_PATH, PayNotifyHandler, counted),
            (r"/healthz", HealthHandler, counted),
            (r"/readyz", ReadyHandler, counted),
            (
                r"/static/((?:js|css|vendor|img)(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+|icon\.svg)",
                AssetHandler,
                {"path": str(STATIC)},
            ),
            (r"/(?:api|ws|wechat|static)/.*", NotFoundHandler, counted),
        ],
        default_handler_class=NotFoundPageHandler,
        default_handler_args=counted,
        template_path=str(PAGES),
        compress_response=True,
        websocket_max_message_size=MAX_SOCKET_MESSAGE_BYTES,
        log_function=_no_access_log,
    )
