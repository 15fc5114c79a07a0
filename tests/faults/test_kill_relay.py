"""kill -9 between the notify's answer and what follows from the payment: it follows once, after the restart."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.app import Sandbox
from tests.faults.processes import ServerProcess, a_free_port, merchant_environment
from tests.people import Person

pytestmark = pytest.mark.process

# A relay that died with the order in its hands holds it for its lease of 30 s.
PATIENCE_S: Final = 60

Rows = list[tuple[Any, ...]]


@pytest.fixture
async def server(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    port = a_free_port()
    environment = merchant_environment(f"http://127.0.0.1:{port}", wechat.url, merchant)
    process = ServerProcess(
        port=port,
        data_dir=tmp_path,
        environment={**environment, "REWARD_INITIATOR_POINTS": "10", "REWARD_PAYER_POINTS": "5"},
    )
    await process.start()
    yield process
    await process.aclose()


def rewards(directory: Path) -> Rows:
    with closing(sqlite3.connect(f"file:{directory / 'daifu.db'}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT kind, points, order_id FROM rewards ORDER BY kind").fetchall()


def has_something_due(directory: Path) -> bool:
    with closing(sqlite3.connect(f"file:{directory / 'daifu.db'}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("SELECT count(*) FROM orders WHERE due_at_ms IS NOT NULL").fetchone()[0])


async def answered(wechat_control: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while not any(
            notify["answer"] == "SUCCESS" for notify in (await wechat_control.get("/_sim/calls")).json()["notifies"]
        ):
            pass


@pytest.mark.parametrize("round_number", range(1))
async def test_killed_right_after_the_answer_the_reward_is_granted_once_after_the_restart(
    round_number: int, server: ServerProcess, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with Person("小红", server.url) as initiator, Person("小明", server.url) as friend:
        await initiator.log_in()
        await friend.log_in()
        order = await initiator.place_order()
        out_trade_no = await friend.start_payment(order["order_id"])
        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        await answered(wechat_control)
        server.kill()
        await server.ended()

        await server.start()
        async with asyncio.timeout(PATIENCE_S):
            while await asyncio.to_thread(has_something_due, tmp_path):
                pass

    order_id = order["order_id"]
    assert rewards(tmp_path) == [("initiator", 10, order_id), ("payer", 5, order_id)]
