"""What an initiator is told of his own orders: lists by state, and who opened a link."""

import asyncio

from tests.handlers.test_refunds import until
from tests.people import PATIENCE_S, Person
from tests.problems import problem
from tests.running import Daifu


async def ids(person: Person, **query: str | int | list[str]) -> list[str]:
    answer = await person.http.get("/api/orders", params=query)
    return [order["order_id"] for order in answer.json()["orders"]]


async def test_my_orders_can_be_asked_for_by_state_and_page_by_page(daifu: Daifu, initiator: Person) -> None:
    placed = [(await initiator.place_order())["order_id"] for _ in range(4)]
    for order_id in placed[:2]:
        await initiator.http.post(f"/api/orders/{order_id}/close", json={})
        await until(daifu, order_id, lambda order: order.state == "CLOSED")

    assert await ids(initiator, state="OPEN") == [placed[3], placed[2]]
    assert await ids(initiator, state=["CLOSING", "CLOSED"], limit=1) == [placed[1]]
    assert await ids(initiator, state="CLOSED", before=placed[1]) == [placed[0]]
    assert len(await ids(initiator)) == 4

    detail = problem(await initiator.http.get("/api/orders?state=open"), 400, "bad_request")
    assert detail == {"field": "state", "reason": "unsupported"}


async def test_the_initiator_alone_is_told_who_opened_his_link(daifu: Daifu, initiator: Person, friend: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    await initiator.http.get(f"/pay/{order_id}")
    await friend.http.get(f"/pay/{order_id}")
    await daifu.services.traces.aclose()  # what is under way is written

    (visitor,) = (await initiator.http.get(f"/api/orders/{order_id}/visitors")).json()["visitors"]
    assert visitor["name"] == "小明"
    assert visitor.keys() == {"name", "avatar", "opened_at_ms"}
    problem(await friend.http.get(f"/api/orders/{order_id}/visitors"), 404, "order_not_found")


async def test_who_opens_the_link_is_pushed_to_the_initiator_alone(
    daifu: Daifu, initiator: Person, friend: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    asking, looking = await initiator.watch(order_id), await friend.watch(order_id)

    await friend.http.get(f"/pay/{order_id}")

    async with asyncio.timeout(PATIENCE_S):
        while (frame := await asking.next_frame()) is not None and frame["type"] != "visitors":
            pass
    answer = await initiator.http.get(f"/api/orders/{order_id}/visitors")
    assert frame == {"type": "visitors", **answer.json()}
    await initiator.http.post(f"/api/orders/{order_id}/close", json={})
    seen = [await looking.next_frame() for _ in range(3)]
    assert [frame["type"] for frame in seen if frame] == ["order", "beat", "order"]
