"""WeChat refunds and says SYSTEMERROR, again and again, and the server dies each time before it asks anew."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.shelves import SqliteShelf
from tests.faults.site import Site, a_site
from tests.faults.sweep import RefundFlow

pytestmark = pytest.mark.process

TIMES = 5


async def refund_calls(site: Site) -> list[str]:
    calls = (await site.control.get("/_sim/calls")).json()["calls"]
    return [call["out_refund_no"] for call in calls if call["api"] == "refund"]


async def test_five_times_in_doubt_and_killed_each_time_it_refunds_once_under_one_number(tmp_path: Path) -> None:
    flow = RefundFlow()
    async with a_site(tmp_path, SqliteShelf(tmp_path)) as site:
        await site.server()
        case = await flow.prepare(site)
        doubt = {"target": "refund", "kind": "error_after", "code": "SYSTEMERROR", "times": TIMES}
        await site.control.post("/_sim/faults", json=doubt)
        await site.control.post("/_sim/faults", json={"target": "refund_notify", "kind": "drop", "times": 0})
        async with case.initiator, case.friend:
            await flow.run(site, case)
            for tries in range(1, TIMES + 1):
                async with asyncio.timeout(20):
                    while len(await refund_calls(site)) < tries:
                        pass
                await site.next_life()
            for _ in range(2):  # it is accepted, and a minute later asked after
                await site.until(case, lambda order: flow.is_done(order) or site.has_nothing_due(order))
                await site.next_life()
            assert await site.until(case, flow.is_done)

        called = await refund_calls(site)
        refunds = (await site.control.get("/_sim/ledger")).json()["refunds"]
        assert len(called) == TIMES + 1
        assert set(called) == {refund["out_refund_no"] for refund in refunds}
        assert [refund["refund_fee"] for refund in refunds] == [1800]
        assert await site.audit() == []
