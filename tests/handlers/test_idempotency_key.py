"""An Idempotency-Key: a client that does not know whether its order was placed may ask again."""

import asyncio
import json
from typing import Final

import httpx

from tests.people import Person
from tests.problems import problem
from tests.running import Daifu
from tests.stored import stored

BODY: Final = json.dumps({"title": "奶茶", "amount": 1800}).encode()


async def place(person: Person, key: str, body: bytes = BODY) -> httpx.Response:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return await person.http.post("/api/orders", content=body, headers=headers)


async def test_fifty_requests_under_one_key_at_once_place_one_order(daifu: Daifu, initiator: Person) -> None:
    answers = await asyncio.gather(*(place(initiator, "k-1") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(stored(daifu)["orders"]) == 1


async def test_a_key_is_good_for_the_order_as_it_is_now(daifu: Daifu, initiator: Person) -> None:
    order = (await place(initiator, "k-1")).json()["order"]
    await initiator.http.post(f"/api/orders/{order['order_id']}/close", json={})

    again = (await place(initiator, "k-1")).json()["order"]

    assert (again["order_id"], again["state"]) == (order["order_id"], "CLOSED")


async def test_a_key_with_another_body_is_409_and_changes_nothing(daifu: Daifu, initiator: Person) -> None:
    await place(initiator, "k-1")
    before = stored(daifu)
    for body in (BODY.replace(b"1800", b"1801"), BODY + b" "):
        problem(await place(initiator, "k-1", body), 409, "idempotency_mismatch")
    assert stored(daifu) == before


async def test_one_key_of_two_people_is_two_orders(daifu: Daifu, initiator: Person, friend: Person) -> None:
    mine, his = [(await place(person, "k-1")).json()["order"] for person in (initiator, friend)]
    assert mine["order_id"] != his["order_id"]
    assert (mine["initiator"]["name"], his["initiator"]["name"]) == ("小红", "小明")


async def test_a_refused_body_does_not_use_its_key_up(daifu: Daifu, initiator: Person) -> None:
    problem(await place(initiator, "k-1", BODY.replace(b"1800", b"0")), 400, "bad_request")
    assert (await place(initiator, "k-1")).status_code == 201


async def test_a_key_must_be_a_short_line_of_text(daifu: Daifu, initiator: Person) -> None:
    before = stored(daifu)
    for key, reason in (("", "blank"), ("k" * 256, "max_length"), ("a\tb", "control")):
        detail = problem(await place(initiator, key), 400, "bad_request")
        assert (detail["field"], detail["reason"]) == ("Idempotency-Key", reason)
    assert stored(daifu) == before
    assert (await place(initiator, "k" * 255)).status_code == 201
