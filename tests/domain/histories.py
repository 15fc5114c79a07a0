"""Orders at chosen times: 100 fen, valid for half an hour, with the id their time gives them."""

from server.domain.document import Order
from server.domain.events import Evidence, PaymentConfirmed
from server.domain.money import Fen
from server.domain.order_ids import first_order_id_at
from tests import builders
from tests.builders import MINUTE_MS, a_person, after, started


def placed(by: str, at_ms: int) -> Order:
    return builders.an_order(
        order_id=first_order_id_at(at_ms), initiator=a_person(by), now_ms=at_ms, expires_at_ms=at_ms + 30 * MINUTE_MS
    )


def paid(order: Order, by: str, *, at_ms: int, after_ms: int, evidence: Evidence = Evidence.NOTIFY) -> Order:
    order = after(order, started(by), now_ms=at_ms)
    confirmed = PaymentConfirmed(
        out_trade_no=order.payments[-1].out_trade_no,
        transaction_id=f"42{order.order_id}{len(order.payments)}",
        amount=Fen(100),
        openid="",
        paid_at_ms=at_ms,
        evidence=evidence,
    )
    return after(order, confirmed, now_ms=at_ms + after_ms)
