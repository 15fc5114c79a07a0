"""
What a notify is worth: the one function that reads, believes or refuses, and takes in what WeChat posted.

It runs for a notify that has just come and for one that is replayed from the journal alike. What WeChat is answered
follows from the verdict alone and is the route's own (`notify.py`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from tornado.httputil import HTTPHeaders

from server.bootstrap import Services
from server.domain.document import order_id_of
from server.domain.events import PaymentConfirmed
from server.domain.notify import NotifyRoute, Verdict
from server.errors import (
    BadNotify,
    MalformedNotify,
    MerchantMismatch,
    OrderError,
    SignatureProbe,
    StoreError,
    UnknownSerial,
)
from server.usecases.change_order import Change
from server.usecases.hear_of_refund import RefundNews, hear_of_refund
from server.usecases.settle import settle
from server.wechat import v3
from server.wechat.proof import Proved
from server.wechat.v2 import NotPaid, parse_notify
from server.wechat.v2_refunds import parse_refund_notify

log = structlog.get_logger()


@dataclass(frozen=True)
class Judgement:
    """`reason` is a short code; `order_id` is empty where nothing was believed."""

    verdict: Verdict
    reason: str = ""
    order_id: str = ""


@dataclass(frozen=True)
class _Believed:
    """What a notify says that is proven to be WeChat's, as something to take in."""

    order_id: str
    take_in: Callable[[], Awaitable[Change]]


async def judge_notify(
    route: NotifyRoute, headers: Mapping[str, str], body: bytes, services: Services, *, received_at_ms: int
) -> Judgement:
    """
    Take the notify in, once the payment or refund it reports is proven and durably stored, and say what it was.

    Whether it is fresh is judged by when it came, not by when it is replayed.

    Never raises for what a notify may be or a store may do. Safe to repeat at any time: what the order knows changes
    nothing.
    """
    try:
        believed = _READERS[route](headers, body, services, received_at_ms)
    except MalformedNotify as error:
        return _refused(route, Judgement(Verdict.MALFORMED, error.reason))
    except BadNotify as error:
        reason = error.field if isinstance(error, MerchantMismatch) else type(error).__name__
        return _refused(route, Judgement(Verdict.REFUSED, reason))
    if isinstance(believed, NotPaid):
        log.info("notify_not_paid", route=route, field=believed.field)
        return Judgement(Verdict.NOT_PAID, believed.field)
    return await _taken_in(route, believed)


async def _taken_in(route: NotifyRoute, believed: _Believed) -> Judgement:
    order_id = believed.order_id
    try:
        change = await believed.take_in()
    except OrderError as error:
        # WeChat's own and yet not ours to book: money may be at stake, so somebody has to look.
        log.critical("notify_contradicts", route=route, verdict=type(error).__name__, reason=str(error))
        return Judgement(Verdict.CONTRADICTS, type(error).__name__, order_id)
    except StoreError as error:
        log.warning("notify_not_stored", route=route, error=type(error).__name__, reason=str(error))
        return Judgement(Verdict.NOT_STORED, type(error).__name__, order_id)
    return Judgement(Verdict.SETTLED if change.is_news else Verdict.REPEAT, order_id=order_id)


def _refused(route: NotifyRoute, judgement: Judgement) -> Judgement:
    # WeChat's own probes are no reason to look.
    tell = log.info if judgement.reason == SignatureProbe.__name__ else log.warning
    tell("notify_refused", route=route, verdict=judgement.verdict, reason=judgement.reason)
    return judgement


def _read_payment(
    headers: Mapping[str, str], body: bytes, services: Services, received_at_ms: int
) -> _Believed | NotPaid:
    paid = parse_notify(headers, body, services.merchant, proved=_counting(services))
    return paid if isinstance(paid, NotPaid) else _payment(paid, services)


def _read_refund(headers: Mapping[str, str], body: bytes, services: Services, received_at_ms: int) -> _Believed:
    """A refund notify is encrypted, not signed: the refund itself changes only by WeChat's answer to our question."""
    notice = parse_refund_notify(body, services.merchant, proved=_counting(services))
    news = RefundNews(
        out_trade_no=notice.out_trade_no,
        out_refund_no=notice.out_refund_no,
        transaction_id=notice.transaction_id,
        amount=notice.amount,
    )
    return _refund(news, services)


def _read_v3(headers: Mapping[str, str], body: bytes, services: Services, received_at_ms: int) -> _Believed | NotPaid:
    if services.v3 is None:
        raise MerchantMismatch("api")
    services.v3.keys.keep_fresh()
    try:
        said = v3.parse_notify(
            HTTPHeaders(headers),
            body,
            services.v3.merchant,
            services.v3.keys.ring,
            now_s=received_at_ms // 1000,
            proved=_counting(services),
        )
    except UnknownSerial:
        services.v3.keys.want()  # WeChat sends it again, and by then the key is here
        raise
    if isinstance(said, v3.OtherEvent):
        return NotPaid("event_type")
    if isinstance(said, PaymentConfirmed):
        return _payment(said, services)
    news = RefundNews(
        out_trade_no=said.out_trade_no,
        out_refund_no=said.out_refund_no,
        transaction_id=said.transaction_id,
        amount=said.amount,
    )
    return _refund(news, services)


def _counting(services: Services) -> Proved:
    return lambda kind, key: services.metrics.notify_keys.labels(kind, key).inc()


def _payment(paid: PaymentConfirmed, services: Services) -> _Believed:
    return _Believed(
        order_id_of(paid.out_trade_no),
        lambda: settle(paid, store=services.store, bus=services.bus, clock=services.clock),
    )


def _refund(news: RefundNews, services: Services) -> _Believed:
    return _Believed(
        order_id_of(news.out_refund_no),
        lambda: hear_of_refund(news, store=services.store, bus=services.bus, clock=services.clock),
    )


_Reader = Callable[[Mapping[str, str], bytes, Services, int], _Believed | NotPaid]
_READERS: Final[Mapping[NotifyRoute, _Reader]] = {
    NotifyRoute.PAY: _read_payment,
    NotifyRoute.REFUND: _read_refund,
    NotifyRoute.V3: _read_v3,
}
