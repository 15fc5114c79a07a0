"""`run.py orders refund-again` and `settled-by-hand`: asked first, done once."""

import httpx

from tests.handlers.test_stuck_refunds import a_stuck_refund
from tests.operator_commands.conftest import Run
from tests.people import Person
from tests.running import Daifu


async def test_a_closed_refund_is_asked_for_again_once(
    daifu: Daifu, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient, run: Run
) -> None:
    order_id, number = await a_stuck_refund(daifu, initiator, friend, wechat_control, "REFUNDCLOSE")

    no = await run("orders", "refund-again", number, answers="n\n")
    assert (no.exit_code, f"Pay refund {number} under a new number?" in no.output) == (1, True)
    assert len((await daifu.services.store.get(order_id)).payments[0].refunds) == 1
    again = await run("orders", "refund-again", number, "--yes")
    repeat = await run("orders", "refund-again", number, "--yes")

    assert (again.exit_code, repeat.exit_code) == (0, 1)
    assert f"now {order_id}001R2" in again.output
    assert repeat.stderr == "Nothing was done: it goes back under a new number already.\n"
    assert [r.amount for r in (await daifu.services.store.get(order_id)).payments[0].refunds] == [1800, 1800]


async def test_an_abnormal_refund_is_settled_by_hand_and_not_asked_for_again(
    daifu: Daifu, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient, run: Run
) -> None:
    order_id, number = await a_stuck_refund(daifu, initiator, friend, wechat_control, "CHANGE")

    refused = await run("orders", "refund-again", number, "--yes")
    blank = await run("orders", "settled-by-hand", number, "--note", "  ", "--yes")
    settled = await run("orders", "settled-by-hand", number, "--note", "bank transfer 7781", answers="y\n")
    repeat = await run("orders", "settled-by-hand", number, "--note", "another tale", "--yes")

    assert [each.exit_code for each in (refused, blank, settled, repeat)] == [1, 2, 0, 1]
    assert f"refund {number} is ABNORMAL" in refused.stderr
    assert "note: must not be blank" in blank.stderr
    assert "bank transfer 7781" in settled.output
    assert (await daifu.services.store.get(order_id)).payments[0].refunds[0].settled_note == "bank transfer 7781"
