"""
WeChat tells us how a refund went.

SUCCESS is answered once the question after this refund is brought forward in the store. The refund itself changes only
by WeChat's answer to that question: a refund notify is encrypted, not signed.
"""

import structlog

from handlers.notify import NotifyHandler
from server.bootstrap import Services
from server.errors import BadNotify, MalformedNotify, OrderError, StoreError
from server.usecases.hear_of_refund import RefundNews, hear_of_refund
from server.wechat.v2 import REPLY_SUCCESS, reply_fail
from server.wechat.v2_refunds import parse_refund_notify

log = structlog.get_logger()


async def answer_refund_notify(body: bytes, services: Services) -> tuple[int, bytes]:
    """Return the HTTP status and the XML to answer a refund notify with. What we refuse tells the sender no reason."""
    try:
        notice = parse_refund_notify(body, services.merchant)
        news = RefundNews(
            out_trade_no=notice.out_trade_no,
            out_refund_no=notice.out_refund_no,
            transaction_id=notice.transaction_id,
            amount=notice.amount,
        )
        await hear_of_refund(news, store=services.store, bus=services.bus, clock=services.clock)
    except MalformedNotify as error:
        log.warning("refund_notify_refused", verdict="malformed", reason=error.reason)
        return 400, reply_fail("malformed")
    except BadNotify as error:
        log.warning("refund_notify_refused", verdict=type(error).__name__)
        return 200, reply_fail("refused")
    except OrderError as error:
        log.critical("refund_notify_contradicts", verdict=type(error).__name__, reason=str(error))
        return 200, reply_fail("refused")
    except StoreError:
        log.exception("refund_notify_not_stored")
        return 503, reply_fail("try again")
    return 200, REPLY_SUCCESS


class RefundNotifyHandler(NotifyHandler):
    """/wechat/notify/refund"""

    async def reply(self) -> tuple[int, bytes]:
        return await answer_refund_notify(self.request.body, self.services)
