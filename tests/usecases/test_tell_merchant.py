"""From an order's effects to deliveries."""

import json
from typing import cast

from msgspec.structs import replace

from server.domain.delivery import Delivery
from server.domain.document import Order
from server.domain.effects import Effect, EffectKind
from server.domain.events import EffectFinished
from server.usecases.effect_means import Means
from server.usecases.outbox import Outbox
from server.usecases.tell_merchant import tell_merchant
from tests.builders import ORDER_ID, after, an_order, attempt_no, paid, started
from tests.running import ShiftedClock


class Log:
    """An outbox that only keeps."""

    endpoints = ("shop.example.com", "books.example.com")

    def __init__(self) -> None:
        self.kept: list[Delivery] = []

    async def put(self, deliveries: list[Delivery]) -> None:
        self.kept += deliveries


class Told:
    """What telling takes of a relay's means."""

    def __init__(self) -> None:
        self.log = Log()
        self.outbox = cast("Outbox", self.log)
        self.clock = ShiftedClock()
        self.origin = "https://pay.example.com"


async def tell(order: Order, effect: Effect) -> list[Delivery]:
    told = Told()
    assert await tell_merchant(order, effect, cast("Means", told)) == (EffectFinished(effect.key),)
    return told.log.kept


def events_of(order: Order) -> list[Effect]:
    return [effect for effect in order.effects if effect.kind is EffectKind.WEBHOOK]


async def test_an_event_is_kept_behind_the_earlier_ones_for_each_endpoint() -> None:
    order = after(an_order(), started(), paid())
    _, order_paid = events_of(order)

    kept = await tell(order, order_paid)

    assert [(d.event, d.endpoint) for d in kept] == [
        ("payment.paid", "shop.example.com"),
        ("payment.paid", "books.example.com"),
        ("order.paid", "shop.example.com"),
        ("order.paid", "books.example.com"),
    ]
    assert [d.event_id for d in kept[1:3]] == [f"{ORDER_ID}E00001", f"{ORDER_ID}E00002"]
    assert len({d.delivery_id for d in kept}) == 4
    body = json.loads(kept[0].body)
    assert (body["type"], body["data"]["out_trade_no"]) == ("payment.paid", attempt_no())
    assert body["data"]["order"]["state"] == "PAID"


async def test_telling_twice_makes_the_same_ids() -> None:
    order = after(an_order(), started(), paid())
    first, _ = events_of(order)

    assert [d.delivery_id for d in await tell(order, first)] == [d.delivery_id for d in await tell(order, first)]


async def test_an_order_of_before_webhooks_has_nothing_to_tell() -> None:
    order = replace(after(an_order(), started(), paid()), tells_merchant=False)

    assert await tell(order, events_of(order)[0]) == []
