"""The simulator as a process of its own, killed without warning and started again on the same directory."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.sandbox.rig import DEADLINE_S, FAIL, SUCCESS, Shop, a_shop, rig_at

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def a_process(data_dir: Path, *options: str) -> AsyncIterator[str]:
    """Yield the URL of a simulator of its own, and kill it with SIGKILL."""
    command = (sys.executable, "-m", "sandbox", "--data-dir", str(data_dir), *options)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            url = (await process.stdout.readline()).decode().strip()
        yield url
    finally:
        process.kill()
        await process.communicate()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with a_shop() as shop:
        yield shop


async def test_merchant_ledger_users_codes_and_clock_survive_a_kill(tmp_path: Path, shop: Shop) -> None:
    async with a_process(tmp_path) as url, rig_at(url, shop) as before:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        openid = (await before.exchange(await before.code_of("压测-0001"))).json()["openid"]
        prepay_id = await before.ordered(openid=openid)
        await before.ordered("ORDER000002")
        await before.paid("ORDER000002")
        code = await before.code_of()
        await before.advance(250)
        ledger = (await before.http.get("/_sim/ledger")).json()
        now_ms = (await before.http.get("/_sim/clock")).json()["now_ms"]

    async with a_process(tmp_path) as url, rig_at(url, shop) as after:
        assert after.merchant == before.merchant
        assert (await after.http.get("/_sim/ledger")).json() == ledger
        assert (await after.http.get("/_sim/clock")).json()["now_ms"] > now_ms
        assert await after.openid("压测-0001") == openid
        assert await after.ordered(openid=openid) == prepay_id
        assert (await after.exchange(code)).json()["openid"] == await after.openid("小红")
        assert (await after.exchange(code)).json()["errcode"] == 40163


async def test_an_undelivered_notify_goes_on_after_a_kill(tmp_path: Path, shop: Shop) -> None:
    shop.reply = FAIL
    async with a_process(tmp_path) as url, rig_at(url, shop) as before:
        await before.ordered()
        await before.paid()
        await before.pending_of(2)

    shop.reply = SUCCESS
    async with a_process(tmp_path) as url, rig_at(url, shop) as after:
        await after.advance(15)
        (sent,) = await after.journal_of(1)
        await after.pending_of()

    assert (sent["nth"], sent["answer"]) == (2, "SUCCESS")
    async with a_process(tmp_path) as url, rig_at(url, shop) as later:
        await later.advance(24 * 3600)
        await later.ordered("ORDER000002")
        await later.paid("ORDER000002")
        assert [sent["out_trade_no"] for sent in await later.journal_of(1)] == ["ORDER000002"]


async def test_a_refund_ends_and_is_notified_after_a_kill(tmp_path: Path, shop: Shop) -> None:
    async with a_process(tmp_path, "--refund-after-s", "600") as url, rig_at(url, shop) as before:
        await before.ordered()
        await before.paid()
        await before.pending_of()
        refund_id = await before.refunded()
        (pending,) = await before.pending_of(1)

    async with a_process(tmp_path) as url, rig_at(url, shop) as after:
        assert await after.pending_of(1) == [pending]
        assert (await after.refund_query(refund_id=refund_id))["refund_status_0"] == "PROCESSING"
        await after.advance(600)
        (sent,) = await after.journal_of(1)
        assert (sent["out_refund_no"], sent["answer"]) == ("REFUND000001", "SUCCESS")
        assert await after.refunded() == refund_id
        assert [refund["refund_status"] for refund in (await after.ledger())["refunds"]] == ["SUCCESS"]
