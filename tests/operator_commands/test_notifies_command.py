"""`run.py notifies`: what came is listed and shown, and may be taken in again at any time without harm."""

from pathlib import Path

import httpx
import pytest
from msgspec import json

from sandbox import flat_xml
from sandbox.app import Sandbox
from server.domain.notify import Notify, NotifyRoute, Verdict
from tests.handlers.forged_notifies import Forger
from tests.operator_commands.conftest import Run
from tests.running import Daifu, start_daifu
from tests.stores.wire_server import database_url


async def keep(daifu: Daifu, body: bytes, verdict: Verdict, *, size_bytes: int = 0) -> str:
    """Put a notify into the journal as if it had come; return its id."""
    notify = Notify(
        notify_id="01KAMVH3ZR5S9Y2D8M4Q6T7W0X",
        route=NotifyRoute.PAY,
        received_at_ms=daifu.services.clock.now_ms(),
        peer="101.226.103.0",
        headers={"user-agent": "Mozilla/4.0 \x1b[2J"},
        body=body,
        size_bytes=size_bytes or len(body),
        verdict=verdict,
    )
    await daifu.services.journal.keep([notify])
    return notify.notify_id


async def test_they_are_listed_by_what_was_made_of_them_and_when(daifu: Daifu, forger: Forger, run: Run) -> None:
    await forger.post(forger.body())
    await forger.post(flat_xml.write({**forger.fields(), "sign": "0" * 64}))
    await daifu.services.recorder.aclose()
    order_id = forger.out_trade_no[:26]

    everything = await run("notifies", "list", "--since", "1h")
    refused = await run("notifies", "list", "--verdict", "refused", "--json")
    of_order = await run("notifies", "list", "--order", order_id, "--json")
    nothing = await run("notifies", "list", "--verdict", "not_stored")
    wrong = await run("notifies", "list", "--since", "yesterday")

    assert [everything.exit_code, nothing.exit_code, wrong.exit_code] == [0, 1, 2]
    assert [word in everything.output for word in ("settled", "SignatureMismatch", order_id)] == [True] * 3
    assert [notify["reason"] for notify in json.decode(refused.stdout)] == ["SignatureMismatch"]
    assert [notify["verdict"] for notify in json.decode(of_order.stdout)] == ["settled"]
    assert forger.openid not in everything.output + refused.output + of_order.output


async def test_one_is_shown_whole_but_for_the_openid_and_commands_to_the_terminal(
    daifu: Daifu, forger: Forger, run: Run
) -> None:
    notify_id = await keep(daifu, forger.body(attach="a\u202eb"), Verdict.NOT_STORED)

    shown = await run("notifies", "show", notify_id)

    assert shown.exit_code == 0
    assert f"<out_trade_no><![CDATA[{forger.out_trade_no}]]>" in shown.output
    assert "Mozilla/4.0 \\x1b[2J" in shown.output
    assert "a\\u202eb" in shown.output
    assert forger.openid not in shown.output
    assert f"<openid><![CDATA[{forger.openid[:4]}***" in shown.output


async def test_replay_settles_what_was_not_stored_and_changes_nothing_the_next_time(
    daifu: Daifu, forger: Forger, order_id: str, run: Run
) -> None:
    notify_id = await keep(daifu, forger.body(), Verdict.NOT_STORED)

    first = await run("notifies", "replay", notify_id)
    paid = await daifu.services.store.get(order_id)
    again = await run("notifies", "replay", notify_id)

    assert (first.exit_code, first.stdout) == (0, f"settled, order {order_id}\n")
    assert (paid.state, paid.payments[0].evidence) == ("PAID", "notify")
    assert (again.exit_code, again.stdout) == (1, f"repeat, order {order_id}\n")
    assert await daifu.services.store.get(order_id) == paid


async def test_a_forged_one_is_refused_again_and_half_of_one_is_not_tried(
    daifu: Daifu, forger: Forger, order_id: str, run: Run
) -> None:
    before = await daifu.services.store.get(order_id)
    notify_id = await keep(daifu, forger.body()[:-1], Verdict.MALFORMED, size_bytes=5000)

    cut = await run("notifies", "replay", notify_id)
    missing = await run("notifies", "replay", "01N")

    assert [cut.exit_code, missing.exit_code] == [1, 1]
    assert "of 5000 bytes" in cut.stderr
    assert missing.stderr == "Nothing was done: no notify 01N.\n"
    assert await daifu.services.store.get(order_id) == before


@pytest.mark.mongo
class TestOnMongodb:
    @pytest.fixture
    async def daifu(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Daifu:
        url = database_url(tmp_path)
        monkeypatch.setenv("MONGODB_URL", url)
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        return await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, mongodb_url=url)

    async def test_commands_work_beside_no_server_at_all(
        self, daifu: Daifu, forger: Forger, order_id: str, run: Run
    ) -> None:
        notify_id = await keep(daifu, forger.body(), Verdict.NOT_STORED)
        await daifu.aclose()

        replayed = await run("notifies", "replay", notify_id)
        refunded = await run("orders", "refund", order_id, "--yes")
        shown = await run("orders", "show", order_id, "--json")

        assert [each.exit_code for each in (replayed, refunded, shown)] == [0, 0, 0]
        [payment] = json.decode(shown.stdout)["payments"]
        assert (payment["trade_state"], payment["refunds"][0]["amount"]) == ("SUCCESS", 1800)
