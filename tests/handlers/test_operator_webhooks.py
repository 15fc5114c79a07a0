"""Webhooks at the dashboard: what it is shown of each endpoint and order, and sending again."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import json
from msgspec.structs import replace

from sandbox.app import Sandbox
from server.domain.delivery import Delivery, DeliveryState
from tests.people import a_client
from tests.problems import problem
from tests.running import Daifu, start_daifu
from tests.stores.stored_orders import a_delivery, order_id
from tests.webhooks.receivers import SECRET, Receiver, a_receiver

PASSWORD = "a password for tests"
PATHS = ("/api/admin/webhooks/resend", "/api/admin/webhooks/resend-parked")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver(time.time) as receiver:
        yield receiver


@pytest.fixture
async def guarded(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, receiver: Receiver, tmp_path: Path
) -> AsyncIterator[Daifu]:
    """daifu with a password, that tells one receiver."""
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        admin_password=PASSWORD,
        webhook_url=receiver.url,
        webhook_secrets=SECRET,
        webhook_allow_private=True,
    )
    yield server
    await server.aclose()


@pytest.fixture
async def http(guarded: Daifu) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(guarded.url, headers={"Accept-Language": "en"}) as http:
        await http.post("/admin/login", json={"password": PASSWORD})
        yield http


def parked(receiver: Receiver, number: int = 1, *, order: int = 1) -> Delivery:
    """A delivery this receiver refused for a day."""
    delivery = a_delivery(number, order=order, endpoint=receiver.name, body=event_of(order))
    return replace(delivery, state=DeliveryState.PARKED, due_at_ms=None, tries=14, reason="http_500")


def event_of(order: int) -> str:
    return json.encode({"type": "order.paid", "data": {"order": {"order_id": order_id(order)}}}).decode()


async def endpoint(http: httpx.AsyncClient) -> dict[str, Any]:
    (found,) = (await http.get("/api/admin/webhooks")).json()["endpoints"]
    return dict(found)


async def test_the_operator_sees_each_queue_and_what_became_of_an_orders_events(
    guarded: Daifu, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    assert await endpoint(http) == {"endpoint": receiver.name, "waiting": 0, "parked": 0, "next": None, "missed": []}
    far_ms = guarded.services.clock.now_ms() + 3_600_000
    waiting = replace(a_delivery(3, order=2, endpoint=receiver.name, due_at_ms=far_ms), tries=2, reason="timeout")
    await guarded.services.deliveries.add([parked(receiver, 1), parked(receiver, 2), waiting])

    found = await endpoint(http)
    told = (await http.get(f"/api/admin/orders/{order_id(1)}/webhooks")).json()["deliveries"]

    assert (found["waiting"], found["parked"], found["next"]["due_at_ms"]) == (1, 2, far_ms)
    assert [each["delivery_id"][-len(receiver.name) - 3 :] for each in found["missed"]] == [
        f"02@{receiver.name}",
        f"01@{receiver.name}",
    ]
    assert told == found["missed"]
    assert "body" not in told[0]


async def test_one_is_sent_again_at_once_and_by_its_own_id(
    guarded: Daifu, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    await guarded.services.deliveries.add([parked(receiver, 1), parked(receiver, 2)])

    answer = await http.post(PATHS[0], json={"delivery_id": parked(receiver, 1).delivery_id})

    assert answer.status_code == 200
    assert answer.json()["delivery"]["state"] == "WAITING"
    await receiver.until(lambda: len(receiver.events) == 1)
    assert receiver.events[0][0] == parked(receiver, 1).event_id
    assert (await endpoint(http))["parked"] == 1


async def test_all_that_an_endpoint_missed_is_sent_again_in_each_orders_order(
    guarded: Daifu, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    deliveries = [parked(receiver, number, order=order) for order in (1, 2) for number in range(1, 62)]
    await guarded.services.deliveries.add(deliveries)

    assert (await http.post(PATHS[1], json={"endpoint": receiver.name})).json() == {"count": 122}

    await receiver.until(lambda: len(receiver.events) == 122)
    for order in (1, 2):
        heard = [event_id for event_id, _ in receiver.events if event_id.startswith(order_id(order))]
        assert heard == sorted(heard)
    assert (await http.post(PATHS[1], json={"endpoint": receiver.name})).json() == {"count": 0}


async def test_what_is_not_there_is_named(http: httpx.AsyncClient) -> None:
    problem(await http.post(PATHS[0], json={"delivery_id": "nothing"}), 404, "delivery_not_found")
    half = await http.post(
        PATHS[0], content=rb'{"delivery_id": "\ud800"}', headers={"Content-Type": "application/json"}
    )
    problem(half, 400, "bad_request")
    problem(await http.get("/api/admin/orders/nothing/webhooks"), 404, "order_not_found")
    refused = await http.post(PATHS[1], json={"endpoint": "books.example.com"})
    assert problem(refused, 400, "bad_request") == {"field": "endpoint", "reason": "not_an_endpoint"}


async def test_nobody_else_and_no_other_site_sends_anything_again(
    guarded: Daifu, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    missed = parked(receiver)
    await guarded.services.deliveries.add([missed])
    bodies = ({"delivery_id": missed.delivery_id}, {"endpoint": receiver.name})

    async with a_client(guarded.url) as stranger:
        for path in ("/api/admin/webhooks", f"/api/admin/orders/{order_id(1)}/webhooks"):
            problem(await stranger.get(path), 401, "operator_login")
        for path, body in zip(PATHS, bodies, strict=True):
            problem(await stranger.post(path, json=body), 401, "operator_login")
    for path, body in zip(PATHS, bodies, strict=True):
        problem(await http.post(path, json=body, headers={"Origin": "https://evil.example"}), 403, "foreign_origin")
        problem(await http.post(path, data=body), 415, "json_required")

    assert await guarded.services.deliveries.get(missed.delivery_id) == missed
    assert receiver.asked == 0
