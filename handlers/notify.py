"""
WeChat tells us that a payment succeeded, or how a refund went.

SUCCESS is answered when what the notify says is durably stored (or was before), or when it reports nothing to store:
after any other answer WeChat sends it again. What we refuse tells the sender no reason. The journal hears of a notify
once WeChat has its answer.
"""

import time
from collections.abc import Mapping
from typing import ClassVar, Final

from handlers.base import BaseHandler, TooLargeHandler
from handlers.judge_notify import judge_notify
from server.domain.notify import NotifyRoute, Verdict
from server.usecases.record_notifies import Inbound
from server.wechat.v2 import REPLY_SUCCESS, reply_fail

# API v2's answers: HTTP status and XML.
REPLIES: Final[Mapping[Verdict, tuple[int, bytes]]] = {
    Verdict.SETTLED: (200, REPLY_SUCCESS),
    Verdict.REPEAT: (200, REPLY_SUCCESS),
    Verdict.NOT_PAID: (200, REPLY_SUCCESS),
    Verdict.MALFORMED: (400, reply_fail("malformed")),
    Verdict.REFUSED: (200, reply_fail("refused")),
    Verdict.CONTRADICTS: (200, reply_fail("refused")),
    Verdict.NOT_STORED: (503, reply_fail("try again")),
}
_ERROR: Final = reply_fail("error")


class NotifyHandler(BaseHandler):
    """Moves the bytes of a notify; everything is answered in WeChat's own shape."""

    route: ClassVar[NotifyRoute]

    async def post(self) -> None:
        services, request = self.services, self.request
        received_at_ms = services.clock.now_ms()
        begun_s = time.perf_counter()
        judgement = await judge_notify(
            self.route, request.headers, request.body, services, received_at_ms=received_at_ms
        )
        self.reply(judgement.verdict)
        services.metrics.notifies.labels(self.route, judgement.verdict, judgement.reason).inc()
        services.metrics.notify_seconds.labels(self.route).observe(time.perf_counter() - begun_s)
        inbound = Inbound(self.route, received_at_ms, self.client_ip, request.headers, request.body)
        services.recorder.note(inbound, judgement.verdict, judgement.reason, judgement.order_id)

    def reply(self, verdict: Verdict) -> None:
        """Tell WeChat whether to send it again."""
        _send_xml(self, *REPLIES[verdict])

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        _send_xml(self, status, _ERROR)


class PayNotifyHandler(NotifyHandler):
    """/wechat/notify/pay"""

    route = NotifyRoute.PAY


class RefundNotifyHandler(NotifyHandler):
    """/wechat/notify/refund"""

    route = NotifyRoute.REFUND


class TooLargeNotifyHandler(TooLargeHandler):
    """A notify beyond every limit: refused like any other, in WeChat's own shape."""

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        _send_xml(self, status, _ERROR)


def _send_xml(handler: BaseHandler, status: int, xml: bytes) -> None:
    handler.set_status(status)
    handler.set_header("Content-Type", "text/xml; charset=utf-8")
    handler.finish(xml)
