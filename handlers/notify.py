"""
WeChat tells us that a payment succeeded, or how a refund went.

SUCCESS is answered when what the notify says is durably stored (or was before), or when it reports nothing to store:
after any other answer WeChat sends it again. What we refuse tells the sender no reason. The journal hears of a notify
once WeChat has its answer.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from tornado.httputil import HTTPServerRequest

from handlers.base import BaseHandler, TooLargeHandler, client_ip_of
from handlers.judge_notify import judge_notify
from handlers.replies import Reply, Send
from server.bootstrap import Services
from server.domain.notify import NotifyRoute, Verdict
from server.usecases.record_notifies import Inbound
from server.wechat.v2 import REPLY_SUCCESS, reply_fail


@dataclass(frozen=True)
class NotifyKind:
    """One route of notifies, and what WeChat is answered there: to each verdict, and to what is no notify at all."""

    route: NotifyRoute
    replies: Mapping[Verdict, Reply]
    problem: Callable[[int], Reply]


def _xml(status: int, xml: bytes) -> Reply:
    return Reply(status, xml, "text/xml; charset=utf-8")


def v2_problem(status: int) -> Reply:
    """Return API v2's answer to what cannot be served."""
    return _xml(status, reply_fail("error"))


# API v2's answers: HTTP status and XML.
_V2_REPLIES: Final[Mapping[Verdict, Reply]] = {
    Verdict.SETTLED: _xml(200, REPLY_SUCCESS),
    Verdict.REPEAT: _xml(200, REPLY_SUCCESS),
    Verdict.NOT_PAID: _xml(200, REPLY_SUCCESS),
    Verdict.MALFORMED: _xml(400, reply_fail("malformed")),
    Verdict.REFUSED: _xml(200, reply_fail("refused")),
    Verdict.CONTRADICTS: _xml(200, reply_fail("refused")),
    Verdict.NOT_STORED: _xml(503, reply_fail("try again")),
}

PAY: Final = NotifyKind(NotifyRoute.PAY, _V2_REPLIES, v2_problem)
REFUND: Final = NotifyKind(NotifyRoute.REFUND, _V2_REPLIES, v2_problem)


async def take_notify(kind: NotifyKind, request: HTTPServerRequest, services: Services, *, send: Send) -> None:
    """Judge what WeChat posted, `send` the answer, and only then note it for the journal."""
    received_at_ms = services.clock.now_ms()
    begun_s = time.perf_counter()
    judgement = await judge_notify(kind.route, request.headers, request.body, services, received_at_ms=received_at_ms)
    send(kind.replies[judgement.verdict])
    services.metrics.notifies.labels(kind.route, judgement.verdict, judgement.reason).inc()
    services.metrics.notify_seconds.labels(kind.route).observe(time.perf_counter() - begun_s)
    peer = client_ip_of(request, services.settings)
    inbound = Inbound(kind.route, received_at_ms, peer, request.headers, request.body)
    services.recorder.note(inbound, judgement.verdict, judgement.reason, judgement.order_id)


class NotifyHandler(BaseHandler):
    """Everything is answered in WeChat's own shape."""

    kind: ClassVar[NotifyKind]

    async def post(self) -> None:
        await take_notify(self.kind, self.request, self.services, send=self.send)

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        self.send(self.kind.problem(status))


class PayNotifyHandler(NotifyHandler):
    """/wechat/notify/pay"""

    kind = PAY


class RefundNotifyHandler(NotifyHandler):
    """/wechat/notify/refund"""

    kind = REFUND


class TooLargeNotifyHandler(TooLargeHandler):
    """A notify beyond every limit: refused like any other, in WeChat's own shape."""

    kind: ClassVar[NotifyKind] = PAY

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        self.send(self.kind.problem(status))
