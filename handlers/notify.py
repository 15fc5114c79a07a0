"""
WeChat tells us that a payment succeeded.

The logic is one function of headers and body that awaits one use case; the handler around it only moves bytes. SUCCESS
is answered when the payment is durably stored (or was before), or when WeChat reports none at all, so that there is
nothing to store: after any other answer WeChat sends it again.
"""

from collections.abc import Mapping

import structlog

from handlers.base import BaseHandler
from server.bootstrap import Services
from server.errors import BadNotify, MalformedNotify, OrderError, StoreError
from server.usecases.settle import settle
from server.wechat.v2 import REPLY_SUCCESS, NotPaid, parse_notify, reply_fail

log = structlog.get_logger()


async def answer_notify(headers: Mapping[str, str], body: bytes, services: Services) -> tuple[int, bytes]:
    """Return the HTTP status and the XML to answer a pay notify with. What we refuse tells the sender no reason."""
    try:
        paid = parse_notify(headers, body, services.merchant)
        if isinstance(paid, NotPaid):
            log.info("notify_not_paid", field=paid.field)
            return 200, REPLY_SUCCESS
        await settle(paid, store=services.store, bus=services.bus, clock=services.clock)
    except MalformedNotify as error:
        log.warning("notify_refused", verdict="malformed", reason=error.reason)
        return 400, reply_fail("malformed")
    except BadNotify as error:
        log.warning("notify_refused", verdict=type(error).__name__)
        return 200, reply_fail("refused")
    except OrderError as error:
        # Rightly signed and yet not ours to book: money may be at stake, so somebody has to look.
        log.critical("notify_not_booked", verdict=type(error).__name__, reason=str(error))
        return 200, reply_fail("refused")
    except StoreError:
        log.exception("notify_not_stored")
        return 503, reply_fail("try again")
    return 200, REPLY_SUCCESS


class NotifyHandler(BaseHandler):
    """Moves the bytes of a notify: everything is answered in WeChat's own shape."""

    async def reply(self) -> tuple[int, bytes]:
        """Return the HTTP status and the XML to answer with."""
        raise NotImplementedError

    async def post(self) -> None:
        self._send(*await self.reply())

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        self._send(status, reply_fail("error"))

    def _send(self, status: int, xml: bytes) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/xml; charset=utf-8")
        self.finish(xml)


class PayNotifyHandler(NotifyHandler):
    """/wechat/notify/pay"""

    async def reply(self) -> tuple[int, bytes]:
        return await answer_notify(self.request.headers, self.request.body, self.services)
