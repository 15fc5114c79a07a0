"""kill -9: what was acknowledged is there, what was not comes again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import Sandbox
from tests.faults.notifies import a_notify
from tests.faults.processes import ServerProcess, a_free_port, merchant_environment
from tests.people import Person

pytestmark = pytest.mark.process


@pytest.fixture
async def merchant(wechat_control: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await wechat_control.get("/_sim/merchant")).json()
    return found


@pytest.fixture
async def server(wechat: Sandbox, merchant: dict[str, Any], tmp_path: Path) -> AsyncIterator[ServerProcess]:
    port = a_free_port()
    environment = merchant_environment(f"http://127.0.0.1:{port}", wechat.url, merchant)
    process = ServerProcess(port=port, data_dir=tmp_path, environment=environment)
    await process.start()
    yield process
    await process.aclose()


@pytest.mark.parametrize("round_number", range(3))
async def test_killed_right_after_the_answer_the_order_is_paid(
    round_number: int, server: ServerProcess, wechat_control: httpx.AsyncClient, merchant: dict[str, Any]
) -> None:
    # The simulator's own notify is withheld: ours decides when the answer has been given.
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    async with Person("小红", server.url) as initiator, Person("小明", server.url) as friend:
        await initiator.log_in()
        await friend.log_in()
        order = await initiator.place_order()
        page = await initiator.watch(order["order_id"])
        before = await page.next_state()
        out_trade_no = await friend.start_payment(order["order_id"])
        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        line = (await wechat_control.get("/_sim/ledger")).json()["orders"][0]

        answer = await friend.http.post("/wechat/notify/pay", content=a_notify(merchant, line))
        server.kill()
        assert b"SUCCESS" in answer.content
        await server.ended()
        await page.close_code()

        await server.start()
        again = await initiator.watch(order["order_id"])
        state = await again.next_state()
        again.close()

    assert state["order"]["state"] == "PAID"
    assert state["rev"] > before["rev"]


async def test_killed_while_notifies_rain_every_answered_payment_is_kept_and_the_rest_arrives(
    server: ServerProcess, wechat_control: httpx.AsyncClient
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    async with Person("小红", server.url) as initiator, Person("小明", server.url) as friend:
        await initiator.log_in()
        await friend.log_in()
        orders = [await initiator.place_order(title=f"第 {n} 单") for n in range(12)]
        numbers = [await friend.start_payment(order["order_id"]) for order in orders]
        await wechat_control.delete("/_sim/faults")

        async def pay(out_trade_no: str) -> None:
            await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})

        pays = [asyncio.create_task(pay(number)) for number in numbers]
        await first_answer(wechat_control)
        server.kill()
        await server.ended()
        await asyncio.gather(*pays)
        answered = {n["out_trade_no"] for n in await sent(wechat_control) if n["answer"] == "SUCCESS"}

        await server.start()
        for order, number in zip(orders, numbers, strict=True):
            if number in answered:
                assert (await initiator.read_order(order["order_id"]))["state"] == "PAID"

        await wechat_control.post("/_sim/clock", json={"advance_s": 15})  # WeChat's first retry
        await until_all_paid(initiator, [order["order_id"] for order in orders])


async def test_a_restart_keeps_the_login_and_the_simulators_ledger(tmp_path: Path) -> None:
    server = ServerProcess(port=a_free_port(), data_dir=tmp_path)
    await server.start()
    try:
        async with Person("小红", server.url) as initiator, Person("小明", server.url) as friend:
            await initiator.log_in()
            await friend.log_in()
            order = await initiator.place_order()
            out_trade_no = await friend.start_payment(order["order_id"])
            server.kill()
            await server.ended()

            await server.start()
            assert (await initiator.read_order(order["order_id"]))["state"] == "OPEN"
            assert await friend.start_payment(order["order_id"]) == out_trade_no
    finally:
        await server.aclose()


async def test_sigterm_ends_the_server_and_its_simulator_and_sends_watchers_away(tmp_path: Path) -> None:
    server = ServerProcess(port=a_free_port(), data_dir=tmp_path)
    await server.start()
    async with Person("小红", server.url) as initiator:
        await initiator.log_in()
        order = await initiator.place_order()
        page = await initiator.watch(order["order_id"])
        await page.next_state()

        server.terminate()

        assert await page.close_code() == 1012
        assert await server.ended() == 0


async def sent(wechat_control: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await wechat_control.get("/_sim/calls")).json()["notifies"]
    return found


async def first_answer(wechat_control: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while not any(notify["answer"] == "SUCCESS" for notify in await sent(wechat_control)):
            pass


async def until_all_paid(initiator: Person, order_ids: list[str]) -> None:
    async with asyncio.timeout(20):
        while True:
            states = [(await initiator.read_order(order_id))["state"] for order_id in order_ids]
            if all(state == "PAID" for state in states):
                return
