"""All routes on one page."""

from dataclasses import replace
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import Application, RequestHandler

from handlers.auth import Sessions
from handlers.base import NotFoundHandler, TooLargeHandler
from handlers.dashboard import DashboardHandler, OperatorLoginHandler, OperatorLogoutHandler
from handlers.events import EventsHandler
from handlers.jssdk import JssdkHandler
from handlers.limits import Limits
from handlers.login import CALLBACK_PATH, CallbackHandler, LoginHandler, MeHandler, TokenHandler
from handlers.long_poll import OrderHandler
from handlers.merchant import MerchantCloseHandler, MerchantOrderHandler, MerchantOrdersHandler, MerchantRefundHandler
from handlers.miniprogram import MiniProgramHandler
from handlers.notify import PayNotifyHandler, RefundNotifyHandler, TooLargeNotifyHandler
from handlers.notify_v3 import TooLargeV3NotifyHandler, V3NotifyHandler
from handlers.operator_orders import (
    OperatorCloseHandler,
    OperatorOrderHandler,
    OperatorRefundHandler,
    RefundAgainHandler,
    RetryHandler,
    SettledByHandHandler,
)
from handlers.operator_webhooks import OrderWebhooksHandler, ResendHandler, ResendParkedHandler, WebhooksHandler
from handlers.operators import Operators
from handlers.ops import HealthHandler, MetricsHandler, ReadyHandler
from handlers.orders import (
    CloseHandler,
    OrdersHandler,
    ShareCodeHandler,
    SharedHandler,
    VisitorsHandler,
    WatchTokenHandler,
)
from handlers.pages import (
    PAGES,
    STATIC,
    AssetHandler,
    HomeHandler,
    NotFoundPageHandler,
    OrderPageHandler,
)
from handlers.pay_page import PayPageHandler
from handlers.payments import CancelHandler, ConfirmHandler, PaymentCodeHandler, PaymentsHandler
from handlers.reference import OpenApiHandler, ReferencePageHandler
from handlers.refunds import RefundHandler
from handlers.scenes import ScenesHandler
from handlers.stats import StatsHandler, StatsTableHandler
from handlers.verification import VerificationHandler
from handlers.watch import WatchHandler
from handlers.watching import Desk
from handlers.web import InFlight, Readiness, Web
from server.bootstrap import NOTIFY_PATH, REFUND_NOTIFY_PATH, V3_NOTIFY_PATH, Services

MAX_BODY_BYTES = 64 * 1024


def _no_access_log(handler: RequestHandler) -> None:
    """Tornado would write a line for each request; what matters is logged where it happens."""


class AnnouncedTooLarge(Matcher):
    """
    Matches a request whose body will be too large, before the first byte of it is kept.

    Args:
        paths: Only those; none for every path.
    """

    def __init__(self, *paths: str) -> None:
        self._paths = paths

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if self._paths and request.path not in self._paths:
            return None
        length = request.headers.get("Content-Length", "")
        is_number = length.isascii() and length.isdigit()  # anything else the connection refuses
        return {} if is_number and int(length) > MAX_BODY_BYTES else None


def make_web(services: Services, in_flight: InFlight) -> Web:
    """Return what every handler is given."""
    sessions = Sessions(
        services.settings.session_secrets,
        ttl_s=services.settings.session_ttl_s,
        secure=services.settings.origin.startswith("https:"),
        now_s=lambda: services.clock.now_ms() / 1000,
    )
    return Web(
        services,
        sessions,
        Desk(services, sessions),
        in_flight,
        Readiness(services.store),
        Limits(services.cache, services.settings),
        Operators(services.settings, sessions, services.cache),
    )


def make_app(web: Web) -> Application:
    """Return the application; every handler gets the same `Web`."""
    given = {"web": web}
    # Not counted as in flight: nobody has to wait for it when the process goes down.
    uncounted = {"web": replace(web, in_flight=InFlight())}
    order = r"/api/orders/([^/]+)"
    operator_order = r"/api/admin/orders/([^/]+)"
    payment = order + r"/payments/([^/]+)"
    merchant_order = r"/merchant/v1/orders/([^/]+)"
    return Application(
        [
            (AnnouncedTooLarge(NOTIFY_PATH, REFUND_NOTIFY_PATH), TooLargeNotifyHandler, uncounted),
            (AnnouncedTooLarge(V3_NOTIFY_PATH), TooLargeV3NotifyHandler, uncounted),
            (AnnouncedTooLarge(), TooLargeHandler, uncounted),
            (r"/", HomeHandler, given),
            (r"/orders/([^/]+)", OrderPageHandler, given),
            (r"/pay/([^/]+)", PayPageHandler, given),
            (r"/auth/login", LoginHandler, given),
            (CALLBACK_PATH, CallbackHandler, given),
            (r"/auth/miniprogram", MiniProgramHandler, given),
            (r"/api/me", MeHandler, given),
            (r"/api/token", TokenHandler, given),
            (r"/api/jssdk", JssdkHandler, given),
            (r"/api/scenes", ScenesHandler, given),
            (r"/api/orders", OrdersHandler, given),
            (order, OrderHandler, given),
            (order + r"/events", EventsHandler, given),
            (order + r"/watch-token", WatchTokenHandler, given),
            (order + r"/shared", SharedHandler, given),
            (order + r"/visitors", VisitorsHandler, given),
            (order + r"/close", CloseHandler, given),
            (order + r"/refund", RefundHandler, given),
            (order + r"/qr\.svg", ShareCodeHandler, given),
            (order + r"/payments", PaymentsHandler, given),
            (payment + r"/confirm", ConfirmHandler, given),
            (payment + r"/cancel", CancelHandler, given),
            (payment + r"/qr\.(svg|png)", PaymentCodeHandler, given),
            (r"/ws/orders/([^/]+)", WatchHandler, given),
            (r"/admin", DashboardHandler, given),
            (r"/admin/login", OperatorLoginHandler, given),
            (r"/admin/logout", OperatorLogoutHandler, given),
            (r"/api/stats", StatsHandler, given),
            (r"/api/stats\.csv", StatsTableHandler, given),
            (operator_order, OperatorOrderHandler, given),
            (operator_order + r"/retry", RetryHandler, given),
            (operator_order + r"/close", OperatorCloseHandler, given),
            (operator_order + r"/refund", OperatorRefundHandler, given),
            (operator_order + r"/refund-again", RefundAgainHandler, given),
            (operator_order + r"/settled-by-hand", SettledByHandHandler, given),
            (operator_order + r"/webhooks", OrderWebhooksHandler, given),
            (r"/api/admin/webhooks", WebhooksHandler, given),
            (r"/api/admin/webhooks/resend", ResendHandler, given),
            (r"/api/admin/webhooks/resend-parked", ResendParkedHandler, given),
            (r"/merchant/v1/orders", MerchantOrdersHandler, given),
            (merchant_order, MerchantOrderHandler, given),
            (merchant_order + r"/close", MerchantCloseHandler, given),
            (merchant_order + r"/refund", MerchantRefundHandler, given),
            (NOTIFY_PATH, PayNotifyHandler, given),
            (REFUND_NOTIFY_PATH, RefundNotifyHandler, given),
            (V3_NOTIFY_PATH, V3NotifyHandler, given),
            (r"/healthz", HealthHandler, given),
            (r"/readyz", ReadyHandler, given),
            (r"/metrics", MetricsHandler, given),
            (r"/openapi\.json", OpenApiHandler, given),
            (r"/docs", ReferencePageHandler, given),
            (
                r"/static/((?:js|css|vendor|img)(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+|icon\.svg)",
                AssetHandler,
                {"path": str(STATIC)},
            ),
            (r"/([0-9A-Za-z_]{1,64}\.txt)", VerificationHandler, given),
            (r"/(?:api|merchant|ws|wechat|static)/.*", NotFoundHandler, given),
        ],
        default_handler_class=NotFoundPageHandler,
        default_handler_args=given,
        template_path=str(PAGES),
        compress_response=True,
        log_function=_no_access_log,
    )
