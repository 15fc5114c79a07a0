"""The initiator gives money back, and WeChat's notify is heard."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from server.domain.document import Order, OrderState
from server.domain.events import RefundState
from tests.people import Person
from tests.problems import problem
from tests.running import Daifu


@pytest.fixture
async def order_id(daifu: Daifu, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient) -> str:
    """An order 小明 has paid."""
    order_id = str((await initiator.place_order(amount=1800))["order_id"])
    out_trade_no = await friend.start_payment(order_id)
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    await until(daifu, order_id, lambda order: order.state is OrderState.PAID)
    return order_id


async def until(daifu: Daifu, order_id: str, is_so: Callable[[Order], bool]) -> Order:
    """Return the order once this is so."""
    order = await daifu.services.store.get(order_id)
    async with asyncio.timeout(10):
        while not is_so(order):
            await asyncio.sleep(0.005)  # nothing tells of everything but asking
            order = await daifu.services.store.get(order_id)
    return order


async def handed_over(daifu: Daifu, order_id: str) -> Order:
    """Return the order once WeChat has taken its refund and we know."""
    return await until(daifu, order_id, lambda order: order.payments[0].refunds[0].state is not RefundState.DUE)


async def ask(person: Person, order_id: str, *, key: str = "", **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await person.http.post(f"/api/orders/{order_id}/refund", json=body, headers=headers)


async def refunds(wechat_control: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await wechat_control.get("/_sim/ledger")).json()["refunds"]
    return found


async def test_the_whole_order_goes_back_and_the_page_ends_on_refunded(
    initiator: Person, daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str
) -> None:
    page = await initiator.watch(order_id)

    answer = await ask(initiator, order_id)
    assert answer.status_code == 200, answer.text
    assert answer.json()["order"]["payments"][0]["refund"]["amount"] == 1800
    await handed_over(daifu, order_id)
    await wechat_control.post("/_sim/clock", json={"advance_s": 7200})  # WeChat pays it, and sends its notify
    frames = await page.until_state("REFUNDED")

    assert frames[-1]["order"]["payments"][0]["refund"]["state"] == "SUCCESS"
    assert [refund["refund_fee"] for refund in await refunds(wechat_control)] == [1800]
    page.close()


async def test_asking_twice_gives_back_once(initiator: Person, daifu: Daifu, order_id: str) -> None:
    await asyncio.gather(*(ask(initiator, order_id) for _ in range(10)))

    order = await daifu.services.store.get(order_id)
    assert [(refund.amount, refund.reason) for refund in order.payments[0].refunds] == [(1800, "asked")]


async def test_a_part_of_it_goes_back(initiator: Person, daifu: Daifu, order_id: str) -> None:
    number = (await daifu.services.store.get(order_id)).payments[0].out_trade_no

    assert (await ask(initiator, order_id, key="k-1", out_trade_no=number, amount=300)).status_code == 200

    order = await daifu.services.store.get(order_id)
    assert (order.state, order.payments[0].left) == ("PAID", 1500)


async def test_a_part_asked_for_again_under_its_key_goes_back_once(
    initiator: Person, daifu: Daifu, order_id: str
) -> None:
    answers = await asyncio.gather(*(ask(initiator, order_id, key="k-1", amount=300) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    problem(await ask(initiator, order_id, key="k-1", amount=301), 409, "idempotency_mismatch")
    detail = problem(await ask(initiator, order_id, amount=300), 400, "bad_request")
    assert detail == {"field": "Idempotency-Key", "reason": "missing"}
    assert (await daifu.services.store.get(order_id)).payments[0].left == 1500


async def test_a_refused_part_does_not_use_its_key_up(initiator: Person, daifu: Daifu, order_id: str) -> None:
    detail = problem(await ask(initiator, order_id, key="k-1", amount=1801), 409, "refund_too_large")
    assert detail == {"field": "amount", "asked": 1801, "left": 1800}

    assert (await ask(initiator, order_id, key="k-1", amount=1800)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"amount": 1801}, 409),
        ({"amount": 0}, 400),
        ({"amount": "1"}, 400),
        ({"out_trade_no": "01K75X8QZ3M4N5P6R7S8T9V0WA001"}, 404),
        ({"out_trade_no": 7}, 400),
        ({"all": True}, 400),
    ],
    ids=str,
)
async def test_what_cannot_be_given_back_is_refused(
    initiator: Person, daifu: Daifu, order_id: str, body: dict[str, Any], status: int
) -> None:
    answer = await ask(initiator, order_id, key="k-1", **body)

    assert answer.status_code == status, answer.text
    assert (await daifu.services.store.get(order_id)).payments[0].refunds == ()


async def test_nobody_but_the_initiator_may(friend: Person, daifu: Daifu, order_id: str) -> None:
    assert (await ask(friend, order_id)).status_code == 404

    assert (await daifu.services.store.get(order_id)).payments[0].refunds == ()


async def test_an_order_nobody_paid_gives_nothing_back(initiator: Person) -> None:
    order = await initiator.place_order()

    assert (await ask(initiator, order["order_id"])).status_code == 409


@pytest.mark.parametrize("body", [b"", b"<xml></xml>", b"<!DOCTYPE x><xml/>"], ids=["empty", "nothing in it", "dtd"])
async def test_what_is_no_refund_notify_is_refused_in_wechats_own_shape(
    daifu: Daifu, initiator: Person, body: bytes
) -> None:
    answer = await initiator.http.post("/wechat/notify/refund", content=body)

    assert answer.status_code == 400
    assert b"<return_code><![CDATA[FAIL]]></return_code>" in answer.content


@pytest.mark.parametrize("kind", ["amount", "out_refund_no", "transaction_id", "forge", "bad_padding"])
async def test_a_refund_notify_that_contradicts_the_order_is_not_acknowledged_and_changes_nothing(
    initiator: Person, daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, kind: str
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "refund_notify", "kind": kind, "times": 0})
    await ask(initiator, order_id)
    before = await handed_over(daifu, order_id)
    await daifu.services.relay.aclose()  # the notify alone is to change nothing
    await wechat_control.post("/_sim/clock", json={"advance_s": 7200})
    async with asyncio.timeout(10):
        while not (sent := await refund_notifies(wechat_control)):
            pass

    assert all(notify["answer"] != "SUCCESS" for notify in sent)
    assert (await daifu.services.store.get(order_id)).payments == before.payments


async def refund_notifies(wechat_control: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Return the refund notifies WeChat has heard an answer to."""
    sent = (await wechat_control.get("/_sim/calls")).json()["notifies"]
    return [notify for notify in sent if notify.get("out_refund_no") and notify["answer"]]
