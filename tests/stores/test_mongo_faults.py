"""What befalls MongoDB and the line to it, and what the store makes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from pymongo import MongoClient

from server.domain.user import User
from server.errors import DuplicateOrder, StoreUnavailable
from server.ports import KeyClaim
from server.stores import mongo
from server.stores.mongo import MongoStore
from tests.stores.cutting_proxy import Cut, CuttingProxy
from tests.stores.outcomes import outcome
from tests.stores.stored_orders import an_order, changed, order_id
from tests.stores.wire_server import Document, WireServer

pytestmark = pytest.mark.mongo

ANSWER_WITHIN_S = 3  # what WeChat is promised; a bound, not a measurement
BACK_WITHIN_S = 5


class TestTheLineIsCut:
    """A store that heard nothing looks what became of its write, and says what it cannot know."""

    @pytest.mark.parametrize("when", Cut)
    async def test_once_and_the_write_happens_exactly_once(
        self, cut_off: MongoStore, proxy: CuttingProxy, when: Cut
    ) -> None:
        proxy.cut("insert", when, times=1)
        await cut_off.insert(an_order())
        proxy.cut("update", when, times=1)
        assert await cut_off.replace(changed(an_order()), was_rev=1)

        assert proxy.cuts == 2
        assert await cut_off.get(order_id(1)) == changed(an_order())

    @pytest.mark.parametrize("when", Cut)
    async def test_once_while_many_write_together(self, cut_off: MongoStore, proxy: CuttingProxy, when: Cut) -> None:
        for number in range(3):
            await cut_off.insert(an_order(number))
        proxy.cut("bulkWrite", when, times=1)
        writes = [(0, 1), (1, 7), (2, 1)]

        won = await asyncio.gather(*(cut_off.replace(changed(an_order(n)), was_rev=rev) for n, rev in writes))

        assert proxy.cuts == 1
        assert won == [True, False, True]

    async def test_for_good_after_the_write_was_done_and_it_is_found_out(
        self, cut_off: MongoStore, proxy: CuttingProxy
    ) -> None:
        proxy.cut("insert", Cut.AFTER, times=1000)
        await cut_off.insert(an_order())
        proxy.cut("update", Cut.AFTER, times=1000)

        assert await cut_off.replace(changed(an_order()), was_rev=1)
        assert await cut_off.get(order_id(1)) == changed(an_order())

    async def test_for_good_before_the_write_was_done_and_nothing_is_claimed(
        self, cut_off: MongoStore, store: MongoStore, proxy: CuttingProxy
    ) -> None:
        await store.insert(an_order(1))
        proxy.cut("insert", Cut.BEFORE, times=1000)
        proxy.cut("update", Cut.BEFORE, times=1000)

        with pytest.raises(StoreUnavailable):
            await cut_off.insert(an_order(2))
        with pytest.raises(StoreUnavailable):
            await cut_off.replace(changed(an_order(1)), was_rev=1)

        assert await store.get_many([order_id(1), order_id(2)]) == [an_order(1)]

    async def test_while_somebody_else_takes_the_rev_and_the_race_is_lost(
        self, cut_off: MongoStore, store: MongoStore, proxy: CuttingProxy
    ) -> None:
        await store.insert(an_order())
        faster = changed(an_order(), title="faster")

        async def overtake() -> None:
            await store.replace(faster, was_rev=1)

        proxy.cut("update", Cut.BEFORE, times=1000, then=overtake)

        assert not await cut_off.replace(changed(an_order(), title="slower"), was_rev=1)
        assert await store.get(order_id(1)) == faster

    async def test_while_others_go_on_from_there_and_nobody_can_tell_any_more(
        self, cut_off: MongoStore, store: MongoStore, proxy: CuttingProxy
    ) -> None:
        await store.insert(an_order())
        ours = changed(an_order())

        async def go_on() -> None:
            await store.replace(changed(ours, title="later"), was_rev=ours.rev)

        proxy.cut("update", Cut.AFTER, times=1000, then=go_on)

        with pytest.raises(StoreUnavailable):
            await cut_off.replace(ours, was_rev=1)

    async def test_at_an_id_that_is_taken_and_it_is_still_a_duplicate(
        self, cut_off: MongoStore, store: MongoStore, proxy: CuttingProxy
    ) -> None:
        await store.insert(an_order(title="first"))
        proxy.cut("insert", Cut.AFTER, times=1000)

        with pytest.raises(DuplicateOrder):
            await cut_off.insert(an_order(title="second"))

    @pytest.mark.parametrize("when", Cut)
    async def test_at_a_key_or_a_user_and_what_is_remembered_is_the_first(
        self, cut_off: MongoStore, proxy: CuttingProxy, when: Cut
    ) -> None:
        claim = KeyClaim(order_id(1), "a" * 64, 1)
        user = User(openid="oMing", name="小明", first_seen_ms=1)
        proxy.cut("insert", when, times=1)
        assert await cut_off.claim_key("key", claim) == claim
        proxy.cut("insert", when, times=1)
        assert await cut_off.remember_user(user) == user

        assert proxy.cuts == 2
        assert await cut_off.claim_key("key", KeyClaim(order_id(2), "b" * 64, 1)) == claim


class TestTheServerFails:
    @pytest.mark.parametrize("code", [10107, 11602, 13435, 91, 189])  # every way to say: not the primary any more
    async def test_a_change_of_primary_costs_a_little_time_and_no_write(
        self, store: MongoStore, fail: Callable[..., None], code: int
    ) -> None:
        retryable = {"errorCode": code, "errorLabels": ["RetryableWriteError"]}
        fail("insert", **retryable)
        await store.insert(an_order())
        fail("update", **retryable)
        assert await store.replace(changed(an_order()), was_rev=1)
        fail("find", errorCode=code)

        assert await store.get(order_id(1)) == changed(an_order())

    async def test_a_primary_that_does_not_come_back_in_time_is_nooutcome(
        self, store: MongoStore, fail: Callable[..., None]
    ) -> None:
        await store.insert(an_order())
        fail("update", times=1000, errorCode=10107, errorLabels=["RetryableWriteError"])

        async with asyncio.timeout(ANSWER_WITHIN_S):
            with pytest.raises(StoreUnavailable):
                await store.replace(changed(an_order()), was_rev=1)

        assert await store.get(order_id(1)) == an_order()

    async def test_a_majority_that_does_not_answer_is_nooutcome(
        self, store: MongoStore, fail: Callable[..., None]
    ) -> None:
        await store.insert(an_order())
        lost = {"code": 100, "codeName": "UnsatisfiableWriteConcern", "errmsg": "not enough members"}
        fail("update", "bulkWrite", "insert", times=1000, writeConcernError=lost)

        for write in (store.insert(an_order(2)), store.replace(changed(an_order()), was_rev=1)):
            # Written on the primary: a majority's read shows whether it held.
            assert await outcome(write) in (None, True, StoreUnavailable)

    @pytest.mark.parametrize("command", ["find", "insert", "update", "bulkWrite"])
    async def test_a_slow_server_is_answered_for_in_time(
        self, store: MongoStore, fail: Callable[..., None], command: str
    ) -> None:
        await store.insert(an_order(due_at_ms=5))
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "find": lambda: store.get(order_id(1)),
            "insert": lambda: store.insert(an_order(2)),
            "update": lambda: store.replace(changed(an_order(due_at_ms=5)), was_rev=1),
            "bulkWrite": lambda: store.claim_due(10, lease_ms=1000, limit=5),
        }
        blocked = {"find", command} if command != "bulkWrite" else {command}
        fail(*blocked, times=1000, blockConnection=True, blockTimeMS=2000)

        async with asyncio.timeout(ANSWER_WITHIN_S):
            with pytest.raises(StoreUnavailable):
                await calls[command]()

    async def test_what_can_be_done_later_stands_back_while_writes_wait_but_not_for_ever(
        self, store: MongoStore, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = an_order(1, due_at_ms=5)
        for order in (due, an_order(2), an_order(3)):
            await store.insert(order)
        assert await store.claim_due(10, lease_ms=0, limit=5) == [due]
        monkeypatch.setattr(mongo, "CROWDED_S", 0.0)
        fail("update", times=1, blockConnection=True, blockTimeMS=1000)
        writes = []
        for number in (2, 3):
            writes.append(asyncio.ensure_future(outcome(store.replace(changed(an_order(number)), was_rev=1))))
            for _ in range(5):
                await asyncio.sleep(0)  # the first one is sent before the other asks, or they would go together
        assert await store.claim_due(10, lease_ms=0, limit=5) == []

        monkeypatch.setattr(mongo, "LONGEST_STANDING_BACK_S", 0.0)
        assert await store.claim_due(10, lease_ms=0, limit=5) == [due]
        await asyncio.gather(*writes)

    async def test_a_claim_whose_answer_was_lost_runs_out_by_itself(
        self, store: MongoStore, fail: Callable[..., None]
    ) -> None:
        order = an_order(due_at_ms=5)
        await store.insert(order)
        lost = {"code": 100, "codeName": "UnsatisfiableWriteConcern", "errmsg": "not enough members"}
        fail("bulkWrite", times=1, writeConcernError=lost)

        with pytest.raises(StoreUnavailable):
            await store.claim_due(10, lease_ms=1000, limit=5)

        assert await store.claim_due(1010, lease_ms=1000, limit=5) == [order]


class TestDownAndBack:
    async def test_a_server_that_is_down_at_start_is_waited_for(self, tmp_path: Path) -> None:
        server = WireServer(tmp_path / "files")
        async with aclosing(await MongoStore.open(server.url)) as store:
            for call in (store.ping(), store.get(order_id(1)), store.insert(an_order())):
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    assert await outcome(call) is StoreUnavailable
            await asyncio.to_thread(server.start)
            try:
                await _until_it_answers(store)
                await store.insert(an_order())
                with MongoClient[Document](server.url) as shell:
                    names = set(shell.daifu.orders.index_information())
                assert names == {"_id_", "orders_by_initiator", "orders_by_state", "orders_due"}
            finally:
                await asyncio.to_thread(server.stop)

    async def test_a_server_that_died_and_came_back_is_found_again_with_all_it_had(self, tmp_path: Path) -> None:
        server = WireServer(tmp_path / "files")
        await asyncio.to_thread(server.start)
        async with aclosing(await MongoStore.open(server.url)) as store:
            await store.insert(an_order())
            await asyncio.to_thread(server.stop)

            async with asyncio.timeout(ANSWER_WITHIN_S):
                assert await outcome(store.replace(changed(an_order()), was_rev=1)) is StoreUnavailable

            await asyncio.to_thread(server.start)
            try:
                await _until_it_answers(store)
                assert await store.get(order_id(1)) == an_order()
                assert await store.replace(changed(an_order()), was_rev=1)
            finally:
                await asyncio.to_thread(server.stop)


async def _until_it_answers(store: MongoStore) -> None:
    """Each ping waits for the server by itself, for as long as a call may."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while await outcome(store.ping()) is StoreUnavailable:
            pass
