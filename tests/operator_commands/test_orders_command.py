"""`run.py orders` beside a running server, which does what is asked: its pages change, and openids stay with it."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from msgspec import json

from operator_commands.drawing import printable
from operator_commands.orders import orders
from sandbox.app import Sandbox
from server.domain.document import Order, OrderState
from server.domain.events import EffectParked
from server.domain.order import apply
from tests.handlers.forged_notifies import TRANSACTION_ID, Forger, check_settles
from tests.operator_commands.conftest import Run
from tests.people import Person
from tests.redis_server import RedisServer
from tests.running import Daifu, start_daifu


async def stored(daifu: Daifu, order_id: str) -> Order:
    return await daifu.services.store.get(order_id)


async def test_show_draws_payments_with_their_evidence_refunds_effects_and_the_story(
    daifu: Daifu, forger: Forger, order_id: str, run: Run
) -> None:
    await check_settles(daifu, forger)
    await forger.post(forger.body(transaction_id=TRANSACTION_ID[:-1] + "2"))

    shown = await run("orders", "show", forger.out_trade_no)

    assert shown.exit_code == 0
    for fact in (order_id, "PAID", forger.out_trade_no, TRANSACTION_ID, "notify", "second_money", f"{order_id}002R1"):
        assert fact in shown.output
    assert "3600 fen = 1800 kept + 1800 due back + 0 back" in shown.output
    assert f"refund:{order_id}002R1" in shown.output
    assert forger.openid not in shown.output
    assert f"小明 ({forger.openid[:4]}…{forger.openid[-2:]})" in shown.output


async def test_json_is_the_document_without_whole_openids(
    daifu: Daifu, forger: Forger, order_id: str, run: Run
) -> None:
    shown = await run("orders", "show", order_id, "--json")

    document: dict[str, Any] = json.decode(shown.stdout)
    assert (document["order_id"], document["state"]) == (order_id, "OPEN")
    assert forger.openid not in shown.output


async def test_what_is_not_there_is_exit_code_1_and_wrong_usage_2(forger: Forger, run: Run) -> None:
    for command in ("show", "query", "close", "retry"):
        missing = await run("orders", command, "01HZX000000000000000000000")
        assert (missing.exit_code, missing.stderr) == (1, "Nothing was done: no order 01HZX000000000000000000000.\n")

    assert (await run("orders", "refund", "x", "--amount", "0", "--yes")).exit_code == 2
    assert (await run("orders", "show")).exit_code == 2


async def test_query_finds_the_payment_whose_notify_was_lost_and_its_page_changes(
    daifu: Daifu, forger: Forger, order_id: str, run: Run, initiator: Person, wechat_control: httpx.AsyncClient
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    await wechat_control.post("/_sim/pay", json={"out_trade_no": forger.out_trade_no, "outcome": "ok"})
    page = await initiator.watch(order_id)

    asked = await run("orders", "query", order_id)

    assert asked.exit_code == 0
    assert (await page.until_state("PAID"))[-1]["order"]["paid_amount"] == 1800
    assert (await stored(daifu, order_id)).payments[0].evidence == "query"


async def test_query_of_one_payment_asks_about_no_other_and_of_a_foreign_number_about_none(
    forger: Forger, run: Run, wechat_control: httpx.AsyncClient
) -> None:
    assert (await run("orders", "query", forger.out_trade_no)).exit_code == 0
    foreign = await run("orders", "query", forger.out_trade_no[:-1] + "9")

    assert (foreign.exit_code, foreign.stderr) == (
        1,
        f"Nothing was done: no payment attempt {forger.out_trade_no[:-1]}9.\n",
    )
    calls = (await wechat_control.get("/_sim/calls")).json()["calls"]
    assert len([call for call in calls if call["api"] == "orderquery"]) == 1


async def test_close_begins_to_close_once(daifu: Daifu, forger: Forger, order_id: str, run: Run) -> None:
    closing = await run("orders", "close", order_id)
    again = await run("orders", "close", order_id)

    assert (closing.exit_code, again.exit_code) == (0, 1)
    assert "closed or closing already" in again.stderr
    assert (await stored(daifu, order_id)).state == "CLOSING"


class TestRefund:
    async def test_it_asks_first_and_no_is_no(self, daifu: Daifu, forger: Forger, order_id: str, run: Run) -> None:
        await check_settles(daifu, forger)
        before = await stored(daifu, order_id)

        asked = await run("orders", "refund", order_id, "--amount", "300", answers="n\n")

        assert asked.exit_code == 1
        assert f"Pay back 300 fen of order {order_id}?" in asked.output
        assert await stored(daifu, order_id) == before

    async def test_a_part_then_all_that_is_left_then_nothing(
        self, daifu: Daifu, forger: Forger, order_id: str, run: Run
    ) -> None:
        await check_settles(daifu, forger)

        part = await run("orders", "refund", order_id, "--payment", forger.out_trade_no, "--amount", "300", "--yes")
        too_much = await run("orders", "refund", order_id, "--amount", "1501", "--yes")
        rest = await run("orders", "refund", order_id, answers="y\n")
        nothing = await run("orders", "refund", order_id, "--yes")

        assert [each.exit_code for each in (part, too_much, rest, nothing)] == [0, 1, 0, 1]
        assert "1501 fen asked back, 1500 left" in too_much.stderr
        refunds = (await stored(daifu, order_id)).payments[0].refunds
        assert [refund.amount for refund in refunds] == [300, 1500]

    async def test_an_order_that_is_not_paid_gives_nothing_back(self, forger: Forger, order_id: str, run: Run) -> None:
        refused = await run("orders", "refund", order_id, "--yes")

        assert refused.exit_code == 1
        assert "is OPEN" in refused.stderr


async def test_retry_unparks_by_key_or_all_and_says_when_nothing_is_parked(
    daifu: Daifu, forger: Forger, order_id: str, run: Run
) -> None:
    assert "no effect is parked" in (await run("orders", "retry", order_id)).stderr
    store = daifu.services.store
    for arguments in ((f"query:{forger.out_trade_no}",), ()):
        before = await store.get(order_id)
        parked = apply(before, EffectParked(f"query:{forger.out_trade_no}", "TRADE_OVERDUE"), now_ms=1)
        assert await store.replace(parked, was_rev=before.rev)
        assert "PARKED" in (await run("orders", "show", order_id)).output

        retried = await run("orders", "retry", order_id, *arguments)

        assert retried.exit_code == 0
        assert not any(effect.parked for effect in (await stored(daifu, order_id)).effects)


async def test_a_server_with_redis_and_a_file_is_asked_too(
    wechat: Sandbox,
    wechat_control: httpx.AsyncClient,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command took Redis for a sign that it may write beside the server, and the file was locked."""
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant)
    try:
        async with Person("小红", server.url) as initiator:
            await initiator.log_in()
            order_id = str((await initiator.place_order())["order_id"])
        arguments = ["--data-dir", str(tmp_path), "close", order_id]

        closed = await asyncio.to_thread(CliRunner().invoke, orders, arguments, catch_exceptions=False)

        assert closed.exit_code == 0, closed.output
        assert (await stored(server, order_id)).state is OrderState.CLOSED
    finally:
        await server.aclose()


class TestWithoutTheServer:
    async def test_the_command_opens_the_file_itself(
        self, daifu: Daifu, forger: Forger, order_id: str, run: Run
    ) -> None:
        await daifu.aclose()

        closed = await run("orders", "close", order_id)

        assert closed.exit_code == 0
        assert "CLOSING" in closed.output

    def test_a_folder_without_a_database_is_refused_and_stays_empty(self, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"

        refused = CliRunner().invoke(orders, ["--data-dir", str(elsewhere), "show", "x"])

        assert refused.exit_code == 1
        assert f"{elsewhere}/daifu.db is not there" in refused.stderr
        assert not elsewhere.exists()

    async def test_a_server_that_cannot_be_asked_is_named_in_one_sentence(
        self, daifu: Daifu, forger: Forger, order_id: str, run: Run
    ) -> None:
        (daifu.services.settings.data_dir / "operator.sock").unlink()

        refused = await run("orders", "show", order_id)

        assert refused.exit_code == 1
        assert "another daifu process has" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_what_a_stranger_wrote_cannot_command_the_terminal() -> None:
    assert printable("奶茶\x1b[2J\u202e\n") == "奶茶\\x1b[2J\\u202e\\n"
