"""Orders, rewards and notifies for the tests of stores: what is not named is of no importance to the test."""

from msgspec.structs import replace

from server.domain.delivery import Delivery, delivery_id_of
from server.domain.document import Order
from server.domain.effects import Effect, EffectKind
from server.domain.events import Person
from server.domain.notify import Notify, NotifyRoute, Verdict, notify_id_at
from server.domain.reconcile import Difference, Finding
from server.domain.reconciliation import Line, Outcome, Reconciliation, count
from server.domain.rewards import Reward, RewardKind
from tests import builders


def order_id(number: int) -> str:
    """Return an id as long as a ULID that sorts by `number`."""
    return f"01J{number:023d}"


def an_order(number: int = 1, *, openid: str = "oInitiator", title: str = "火锅", due_at_ms: int = 1_000_000) -> Order:
    """Return order `number` at rev 1, due when it expires at `due_at_ms`."""
    return builders.an_order(
        order_id=order_id(number), initiator=Person(openid, "小明"), title=title, now_ms=1, expires_at_ms=due_at_ms
    )


def changed(order: Order, *, title: str = "奶茶", due_at_ms: int | None = None) -> Order:
    """Return the order's next rev, with one effect at `due_at_ms` or nothing left to do."""
    effects = () if due_at_ms is None else (Effect(kind=EffectKind.QUERY, about="1", due_at_ms=due_at_ms),)
    return replace(order, rev=order.rev + 1, title=title, effects=effects)


def a_reward(number: int = 1, *, openid: str = "", at_ms: int = 100) -> Reward:
    """Return the reward for order `number`, of person `o<number>` unless another is named."""
    return Reward(
        reward_id=f"{order_id(number)}001:payer",
        openid=openid or f"o{number}",
        kind=RewardKind.PAYER,
        points=5,
        order_id=order_id(number),
        at_ms=at_ms,
    )


def a_notify(number: int = 1, *, verdict: Verdict = Verdict.SETTLED, of_order: int | None = 1) -> Notify:
    """Return a notify received at `number` milliseconds."""
    return Notify(
        notify_id=notify_id_at(number, b"tenletters"),
        route=NotifyRoute.PAY,
        received_at_ms=number,
        peer="101.226.103.0",
        headers={"content-type": "text/xml"},
        body=b"<xml>\xff\x00 \xe5\xa5\xb6</xml>",
        size_bytes=16,
        verdict=verdict,
        order_id="" if of_order is None else order_id(of_order),
    )


def a_delivery(
    number: int = 1, *, order: int = 1, endpoint: str = "shop.example.com", due_at_ms: int = 100, body: str = "{}"
) -> Delivery:
    """Return the delivery of an order's first, second … event."""
    event_id = f"{order_id(order)}E{number:05d}"
    return Delivery(
        delivery_id=delivery_id_of(event_id, endpoint),
        event_id=event_id,
        event="order.paid",
        endpoint=endpoint,
        order_id=order_id(order),
        body=body,
        created_at_ms=due_at_ms,
        due_at_ms=due_at_ms,
    )


def a_report(number: int = 1) -> Reconciliation:
    """Return the report of a day in November, with as many differences as its number."""
    finding = Finding(difference=Difference.NOT_IN_BILL, out_trade_no=f"{order_id(number)}001", transaction_id="42")
    lines = (Line(finding, Outcome.PERSON),) * number
    return Reconciliation(
        day=f"2026-11-{number + 1:02d}", finished_at_ms=number, rows=3, orders=2, counts=count(lines), lines=lines
    )
