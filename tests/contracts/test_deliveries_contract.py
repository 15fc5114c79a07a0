"""What every log of deliveries promises, whichever store it is in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from server.domain.delivery import DeliveryState, delivered, failed, leased
from server.ports import Deliveries
from server.stores.sqlite import SqliteStore
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.stores.stored_orders import a_delivery, order_id

pytestmark = every_filling


@pytest.fixture
async def deliveries(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[Deliveries]:
    async with aclosing(cast("SqliteStore", await open_store(tmp_path))) as store:
        yield store.deliveries()


async def test_what_was_put_in_stays_as_it_was_first(deliveries: Deliveries) -> None:
    first = a_delivery(body='{"first": "奶茶"}')
    await deliveries.add([first])

    await deliveries.add([a_delivery(body="{}"), a_delivery(2)])

    assert await deliveries.get(first.delivery_id) == first
    assert await deliveries.get(a_delivery(2).delivery_id) == a_delivery(2)
    assert await deliveries.get("nothing") is None


async def test_what_is_due_comes_earliest_first_and_for_its_endpoint_only(deliveries: Deliveries) -> None:
    await deliveries.add([a_delivery(order=n, due_at_ms=at) for n, at in ((1, 300), (2, 100), (3, 200), (4, 501))])
    await deliveries.add([a_delivery(endpoint="books.example.com")])

    due = await deliveries.due("shop.example.com", 500, limit=2)

    assert [each.order_id for each in due] == [order_id(2), order_id(3)]
    assert len(await deliveries.due("shop.example.com", 501, limit=9)) == 4


async def test_an_orders_events_wait_in_their_order_whenever_they_are_due(deliveries: Deliveries) -> None:
    events = [a_delivery(3, due_at_ms=1), a_delivery(1, due_at_ms=900), a_delivery(2)]
    await deliveries.add([*events, a_delivery(1, order=2), a_delivery(1, endpoint="books.example.com")])
    await deliveries.replace(delivered(events[2], 50), was_rev=1)

    assert await deliveries.waiting(order_id(1), "shop.example.com", limit=9) == [events[1], events[0]]
    assert await deliveries.waiting(order_id(1), "shop.example.com", limit=1) == [events[1]]


async def test_of_many_who_change_one_exactly_one_is_first(deliveries: Deliveries) -> None:
    before = a_delivery()
    await deliveries.add([before])
    candidates = [leased(before, 1000 + n) for n in range(20)]

    won = await asyncio.gather(*(deliveries.replace(each, was_rev=1) for each in candidates))

    assert won.count(True) == 1
    assert await deliveries.get(before.delivery_id) == candidates[won.index(True)]
    assert not await deliveries.replace(leased(a_delivery(7), 5), was_rev=1)


async def test_what_is_delivered_or_parked_is_never_due_and_stays_in_the_log(deliveries: Deliveries) -> None:
    one, two, three = (a_delivery(n, due_at_ms=100 + n) for n in (1, 2, 3))
    await deliveries.add([one, two, three])
    parked = two
    while parked.state is not DeliveryState.PARKED:
        parked = failed(parked, "http_500", 200, jitter=0.5)
    await deliveries.replace(delivered(one, 200), was_rev=1)
    await deliveries.replace(parked, was_rev=1)

    assert await deliveries.due("shop.example.com", 10**15, limit=9) == [three]
    assert await deliveries.latest(state=DeliveryState.PARKED, limit=9) == [parked]
    assert await deliveries.latest(state=None, limit=2) == [three, parked]


async def test_what_is_old_is_forgotten_some_at_a_time(deliveries: Deliveries) -> None:
    await deliveries.add([a_delivery(n, due_at_ms=at) for n, at in ((1, 100), (2, 100), (3, 100), (4, 200))])

    assert [await deliveries.forget(before_ms=200, limit=2) for _ in range(3)] == [2, 1, 0]

    assert await deliveries.latest(state=None, limit=9) == [a_delivery(4, due_at_ms=200)]


async def test_an_operator_sees_the_newest_of_an_order_and_of_an_endpoint_by_state(deliveries: Deliveries) -> None:
    first, second, third = (a_delivery(n, due_at_ms=100 + n) for n in (1, 2, 3))
    elsewhere = a_delivery(2, endpoint="books.example.com", due_at_ms=900)
    await deliveries.add([first, second, third, elsewhere, a_delivery(order=2, due_at_ms=500)])
    parked = [replace(each, rev=2, state=DeliveryState.PARKED, due_at_ms=None) for each in (first, second)]
    for each in parked:
        await deliveries.replace(each, was_rev=1)

    assert await deliveries.of_order(order_id(1), limit=3) == [elsewhere, third, parked[1]]
    assert await deliveries.of_endpoint("shop.example.com", DeliveryState.PARKED, limit=9) == parked[::-1]
    assert await deliveries.of_endpoint("shop.example.com", DeliveryState.PARKED, limit=1) == parked[1:]
    assert await deliveries.of_endpoint("books.example.com", DeliveryState.PARKED, limit=9) == []


async def test_deliveries_are_counted_up_to_a_limit(deliveries: Deliveries) -> None:
    await deliveries.add([a_delivery(n) for n in (1, 2, 3)])
    await deliveries.add([a_delivery(1, endpoint="books.example.com")])

    assert await deliveries.count("shop.example.com", DeliveryState.WAITING, limit=9) == 3
    assert await deliveries.count("shop.example.com", DeliveryState.WAITING, limit=2) == 2
    assert await deliveries.count("shop.example.com", DeliveryState.PARKED, limit=9) == 0
