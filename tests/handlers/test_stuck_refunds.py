"""The operator at the dashboard, with a refund that WeChat does not bring to its end."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from server.domain.document import Order
from server.domain.events import RefundRequested, RefundState
from server.usecases.change_order import change_order
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu


@pytest.fixture
async def operator(daifu: Daifu) -> AsyncIterator[httpx.AsyncClient]:
    """The operator, at this machine."""
    async with a_client(daifu.url, headers={"Accept-Language": "en"}) as http:
        yield http


async def a_stuck_refund(
    daifu: Daifu, initiator: Person, friend: Person, control: httpx.AsyncClient, word: str
) -> tuple[str, str]:
    """Return the order's id and its refund's number; WeChat will say this word of it."""
    order_id = str((await initiator.place_order(amount=1800))["order_id"])
    out_trade_no = await friend.start_payment(order_id)
    await control.post("/_sim/faults", json={"target": "refund", "kind": "outcome", "state": word})
    await control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    await until(daifu, order_id, "PAID")
    services = daifu.services
    await change_order(order_id, RefundRequested(), store=services.store, bus=services.bus, clock=services.clock)
    await until(daifu, order_id, RefundState.PROCESSING)
    await control.post("/_sim/clock", json={"advance_s": 60})
    return order_id, f"{order_id}001R1"


async def until(daifu: Daifu, order_id: str, state: str) -> Order:
    """Return the order once it, or its newest refund, stands like this."""
    async with asyncio.timeout(10):
        while True:
            order = await daifu.services.store.get(order_id)
            if state in (order.state, *(refund.state for refund in order.payments[0].refunds[-1:])):
                return order
            await asyncio.sleep(0.005)  # nothing tells of everything but asking


async def test_one_that_wechat_closed_goes_back_under_a_new_number_and_is_not_settled_by_hand_too(
    daifu: Daifu, operator: httpx.AsyncClient, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient
) -> None:
    order_id, number = await a_stuck_refund(daifu, initiator, friend, wechat_control, "REFUNDCLOSE")
    path = f"/api/admin/orders/{order_id}"

    for _ in range(2):
        answer = await operator.post(f"{path}/refund-again", json={"out_refund_no": number})
        assert answer.status_code == 200, answer.text
        refunds = answer.json()["order"]["payments"][0]["refunds"]
        assert [(refund["out_refund_no"], refund["amount"]) for refund in refunds] == [
            (number, 1800),
            (f"{order_id}001R2", 1800),
        ]
        assert refunds[0]["replaced_by"] == f"{order_id}001R2"
    refused = await operator.post(f"{path}/settled-by-hand", json={"out_refund_no": number, "note": "in cash"})
    assert problem(refused, 409, "refund_not_stuck")["state"] == "REPLACED"
    public = await friend.read_order(order_id)
    assert public["payments"][0]["refund"]["amount"] == 1800


async def test_one_that_came_back_to_the_merchant_is_settled_by_hand_with_a_note_nobody_else_sees(
    daifu: Daifu, operator: httpx.AsyncClient, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient
) -> None:
    order_id, number = await a_stuck_refund(daifu, initiator, friend, wechat_control, "CHANGE")
    path = f"/api/admin/orders/{order_id}"
    refused = await operator.post(f"{path}/refund-again", json={"out_refund_no": number})
    assert problem(refused, 409, "refund_not_closed")["state"] == "ABNORMAL"
    page = await friend.watch(order_id)

    answer = await operator.post(
        f"{path}/settled-by-hand", json={"out_refund_no": number, "note": "  bank transfer 7781 "}
    )

    assert answer.status_code == 200, answer.text
    order = answer.json()["order"]
    assert (order["state"], order["balance"]["refunded"]) == ("REFUNDED", 1800)
    assert order["payments"][0]["refunds"][0]["settled_note"] == "bank transfer 7781"
    frames = await page.until_state("REFUNDED")
    assert frames[-1]["order"]["payments"][0]["refund"]["state"] == "SUCCESS"
    assert frames[-1]["order"]["events"][-1]["kind"] == "refund_settled"
    assert "7781" not in str(frames)


@pytest.mark.parametrize(
    ("note", "reason"),
    [(" ", "blank"), ("x" * 201, "max_length"), ("in\ncash", "control"), (7, "type"), (None, "missing")],
    ids=["blank", "long", "two lines", "number", "missing"],
)
async def test_a_note_that_is_no_line_of_text_is_refused_by_name(
    daifu: Daifu, operator: httpx.AsyncClient, initiator: Person, note: object, reason: str
) -> None:
    order_id = str((await initiator.place_order())["order_id"])
    asked = {"out_refund_no": f"{order_id}001R1"} | ({} if note is None else {"note": note})

    answer = await operator.post(f"/api/admin/orders/{order_id}/settled-by-hand", json=asked)

    detail = problem(answer, 400, "bad_request")
    assert (detail["field"], detail["reason"]) == ("note", reason)
    assert (await daifu.services.store.get(order_id)).rev == 1


async def test_a_refund_that_is_not_this_orders_is_not_found_and_a_foreign_page_changes_nothing(
    daifu: Daifu, operator: httpx.AsyncClient, initiator: Person
) -> None:
    order_id = str((await initiator.place_order())["order_id"])
    other = str((await initiator.place_order())["order_id"])
    deeds = {"refund-again": {}, "settled-by-hand": {"note": "in cash"}}
    for deed, more in deeds.items():
        for number in (f"{other}001R1", f"{order_id}001R1", ""):
            path = f"/api/admin/orders/{order_id}/{deed}"
            problem(await operator.post(path, json={"out_refund_no": number, **more}), 404, "order_not_found")
        foreign = await operator.post(path, json={}, headers={"Origin": "https://evil.example"})
        problem(foreign, 403, "foreign_origin")
