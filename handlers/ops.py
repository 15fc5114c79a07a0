"""For whoever keeps it running: is the process alive, can it work, what does it count."""

from ipaddress import ip_address

from msgspec import Struct
from tornado.web import Application, RequestHandler

from handlers.base import BaseHandler
from handlers.problems import ApiError
from server.metrics import CONTENT_TYPE, Metrics


class Health(Struct, frozen=True):
    status: str


class HealthHandler(BaseHandler):
    """/healthz: the process answers."""

    def get(self) -> None:
        self.answer(Health("ok"))

    head = get


class ReadyHandler(BaseHandler):
    """/readyz: the store reads and writes, and news of other processes comes through."""

    async def get(self) -> None:
        if self.in_flight.is_draining:
            raise ApiError(503, "draining")
        await self.web.readiness.check()
        if self.services.bus.is_deaf:
            raise ApiError(503, "bus_deaf")
        self.answer(Health("ready"))

    head = get


class MetricsHandler(BaseHandler):
    """/metrics, for this machine alone: where proxies come from it too, set METRICS_PORT."""

    def get(self) -> None:
        settings = self.services.settings
        is_forwarded = "X-Forwarded-For" in self.request.headers or "Forwarded" in self.request.headers
        is_near = ip_address(self.request.remote_ip or "0.0.0.0").is_loopback  # noqa: S104 - nobody, not everybody
        if settings.metrics_port or is_forwarded or not is_near:
            raise ApiError(404, "not_found")
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(self.services.metrics.text())


class _BareMetricsHandler(RequestHandler):
    def initialize(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(self.metrics.text())


def make_metrics_app(metrics: Metrics) -> Application:
    """Return the application of METRICS_PORT: nothing but /metrics."""
    return Application([("/metrics", _BareMetricsHandler, {"metrics": metrics})])
