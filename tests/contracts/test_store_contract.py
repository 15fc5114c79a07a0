"""What every store promises, promise by promise."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.domain.document import Entry, Order, OrderState
from server.domain.user import User
from server.errors import DuplicateOrder, OrderNotFound, StoreUnavailable
from server.ports import KeyClaim, Store
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.stores.stored_orders import a_reward, an_order, changed, order_id

pytestmark = every_filling


@pytest.fixture
async def store(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with aclosing(await open_store(tmp_path)) as store:
        yield store


class TestOrders:
    @pytest.mark.parametrize(
        "order",
        [
            pytest.param(an_order(), id="small"),
            pytest.param(
                an_order(title="请客 🍲 \u202e\u0000\u2028 '; DROP TABLE orders; -- é e\u0301"), id="odd text"
            ),
            pytest.param(
                replace(an_order(), entries=tuple(Entry("paid", at_ms, "友" * 3000, 1) for at_ms in range(120))),
                id="a megabyte",
            ),
        ],
    )
    async def test_an_order_comes_back_as_it_was_put_in_and_so_it_does_after_a_restart(
        self, open_store: OpenStore, tmp_path: Path, order: Order
    ) -> None:
        async with aclosing(await open_store(tmp_path)) as store:
            await store.insert(order)
            assert await store.get(order.order_id) == order

        async with aclosing(await open_store(tmp_path)) as store:
            assert await store.get(order.order_id) == order

    async def test_an_id_is_taken_once(self, store: Store) -> None:
        first = an_order(title="first")
        await store.insert(first)

        with pytest.raises(DuplicateOrder) as refused:
            await store.insert(an_order(title="second"))

        assert refused.value.order_id == first.order_id
        assert await store.get(first.order_id) == first

    async def test_an_unknown_order_is_not_found(self, store: Store) -> None:
        with pytest.raises(OrderNotFound) as missing:
            await store.get(order_id(404))

        assert missing.value.order_id == order_id(404)

    async def test_many_are_read_at_once_each_one_once_and_the_missing_left_out(self, store: Store) -> None:
        orders = [an_order(number) for number in range(1, 41)]
        for order in orders:
            await store.insert(order)
        changed_one = changed(orders[6])
        assert await store.replace(changed_one, was_rev=1)

        found = await store.get_many([order_id(number) for number in (*range(1, 31), 404, 7, 7)])

        by_id = {order.order_id: order for order in found}
        assert len(found) == len(by_id) == 30
        assert by_id == {order.order_id: order for order in [*orders[:6], changed_one, *orders[7:30]]}

    async def test_many_are_read_after_a_restart_too_and_none_of_none(
        self, open_store: OpenStore, tmp_path: Path
    ) -> None:
        async with aclosing(await open_store(tmp_path)) as store:
            await store.insert(an_order(1))
            await store.insert(an_order(2))

        async with aclosing(await open_store(tmp_path)) as store:
            assert await store.get_many([]) == []
            found = await store.get_many([order_id(2), order_id(1)])
            assert sorted(found, key=lambda order: order.order_id) == [an_order(1), an_order(2)]


class TestCompareAndSet:
    async def test_the_next_rev_takes_the_place_of_the_one_it_was_made_from(self, store: Store) -> None:
        before = an_order()
        await store.insert(before)
        after = changed(before)

        assert await store.replace(after, was_rev=before.rev)

        assert await store.get(before.order_id) == after

    async def test_a_writer_who_was_slower_changes_nothing(self, store: Store) -> None:
        before = an_order()
        await store.insert(before)
        faster, slower = changed(before, title="faster"), changed(before, title="slower")
        assert await store.replace(faster, was_rev=before.rev)

        assert not await store.replace(slower, was_rev=before.rev)

        assert await store.get(before.order_id) == faster

    async def test_an_order_that_is_not_there_is_not_made(self, store: Store) -> None:
        assert not await store.replace(changed(an_order()), was_rev=1)

        with pytest.raises(OrderNotFound):
            await store.get(order_id(1))

    async def test_of_a_hundred_writers_at_once_exactly_one_wins(self, store: Store) -> None:
        before = an_order()
        await store.insert(before)
        candidates = [changed(before, title=f"writer {n}") for n in range(100)]

        won = await asyncio.gather(*(store.replace(after, was_rev=before.rev) for after in candidates))

        assert won.count(True) == 1
        assert await store.get(before.order_id) == candidates[won.index(True)]

    async def test_a_hundred_writers_that_try_again_all_get_their_turn(self, store: Store) -> None:
        await store.insert(an_order())

        async def add_one() -> None:
            while True:
                before = await store.get(order_id(1))
                if await store.replace(changed(before), was_rev=before.rev):
                    return

        await asyncio.gather(*(add_one() for _ in range(100)))

        assert (await store.get(order_id(1))).rev == 101

    async def test_a_caller_who_gives_up_does_not_disturb_the_others(self, store: Store) -> None:
        await store.insert(an_order(1))
        await store.insert(an_order(2))
        impatient = asyncio.ensure_future(store.replace(changed(an_order(1)), was_rev=1))
        patient = asyncio.ensure_future(store.replace(changed(an_order(2)), was_rev=1))
        await asyncio.sleep(0)

        impatient.cancel()

        assert await patient
        with pytest.raises(asyncio.CancelledError):
            await impatient


class TestDueOrders:
    async def test_what_is_due_comes_earliest_first_and_no_more_than_asked_for(self, store: Store) -> None:
        for number, due_at_ms in ((1, 300), (2, 100), (3, 200), (4, 501)):
            await store.insert(an_order(number, due_at_ms=due_at_ms))

        first = await store.claim_due(500, lease_ms=1000, limit=2)
        second = await store.claim_due(500, lease_ms=1000, limit=2)

        assert [order.order_id for order in first] == [order_id(2), order_id(3)]
        assert [order.order_id for order in second] == [order_id(1)]

    async def test_an_order_is_due_at_its_very_millisecond(self, store: Store) -> None:
        await store.insert(an_order(due_at_ms=500))

        assert not await store.claim_due(499, lease_ms=1000, limit=10)
        assert await store.claim_due(500, lease_ms=1000, limit=10) == [an_order(due_at_ms=500)]

    async def test_a_claimed_order_is_given_out_again_when_the_lease_is_over(self, store: Store) -> None:
        await store.insert(an_order(due_at_ms=100))
        assert await store.claim_due(500, lease_ms=1000, limit=10)

        assert not await store.claim_due(1499, lease_ms=1000, limit=10)
        assert await store.claim_due(1500, lease_ms=1000, limit=10)

    async def test_a_lease_does_not_stand_in_the_way_of_the_next_rev(self, store: Store) -> None:
        order = an_order(due_at_ms=100)
        await store.insert(order)
        await store.claim_due(500, lease_ms=1000, limit=10)
        after = changed(order, due_at_ms=600)

        assert await store.replace(after, was_rev=order.rev)

        assert await store.claim_due(600, lease_ms=1000, limit=10) == [after]

    async def test_an_order_with_nothing_left_to_do_is_never_due(self, store: Store) -> None:
        order = an_order(due_at_ms=100)
        await store.insert(order)
        await store.replace(changed(order), was_rev=order.rev)

        assert not await store.claim_due(10**15, lease_ms=1000, limit=10)

    async def test_claims_at_the_same_time_share_no_order(self, store: Store) -> None:
        for number in range(40):
            await store.insert(an_order(number, due_at_ms=number))

        claims = await asyncio.gather(*(store.claim_due(100, lease_ms=1000, limit=5) for _ in range(10)))

        claimed = [order.order_id for claim in claims for order in claim]
        assert sorted(claimed) == [order_id(number) for number in range(40)]


class TestOrdersOfOnePerson:
    async def test_they_come_newest_first_page_by_page(self, store: Store) -> None:
        for number in (3, 1, 5, 2, 4):
            await store.insert(an_order(number, openid="oMing"))
        await store.insert(an_order(6, openid="oHong"))

        first = await store.list_by_initiator("oMing", before=None, limit=2)
        second = await store.list_by_initiator("oMing", before=first[-1].order_id, limit=9)

        assert [order.order_id for order in first] == [order_id(5), order_id(4)]
        assert [order.order_id for order in second] == [order_id(3), order_id(2), order_id(1)]

    async def test_only_those_in_the_wanted_states_fill_the_page(self, store: Store) -> None:
        for number, state in enumerate([OrderState.PAID, OrderState.OPEN, OrderState.CLOSED, OrderState.PAID]):
            await store.insert(replace(an_order(number, openid="oMing"), state=state))

        found = await store.list_by_initiator("oMing", before=None, limit=2, states=[OrderState.PAID])
        over = [OrderState.CLOSED, OrderState.REFUNDED]

        assert [order.order_id for order in found] == [order_id(3), order_id(0)]
        assert [o.order_id for o in await store.list_by_initiator("oMing", before=None, limit=9, states=over)] == [
            order_id(2)
        ]

    async def test_they_are_as_last_written(self, store: Store) -> None:
        order = an_order(openid="oMing")
        await store.insert(order)
        await store.replace(changed(order), was_rev=order.rev)

        assert await store.list_by_initiator("oMing", before=None, limit=9) == [changed(order)]

    async def test_a_person_without_orders_has_none(self, store: Store) -> None:
        assert await store.list_by_initiator("oNobody", before=None, limit=9) == []


class TestScans:
    async def test_orders_come_oldest_first_from_between_both_bounds_page_by_page(self, store: Store) -> None:
        for number in (5, 2, 4, 1, 6, 3):
            await store.insert(an_order(number))
        await store.replace(newer := changed(an_order(3)), was_rev=1)

        first = await store.scan(after=order_id(1), before=order_id(6), limit=3)
        rest = await store.scan(after=first[-1].order_id, before=order_id(6), limit=3)

        assert [*first, *rest] == [an_order(2), newer, an_order(4), an_order(5)]

    async def test_nothing_lies_between_neighbours(self, store: Store) -> None:
        await store.insert(an_order(1))

        assert await store.scan(after=order_id(1), before=order_id(2), limit=9) == []
        assert await store.scan(after=order_id(0), before=order_id(1), limit=9) == []


class TestAllOrders:
    async def test_they_come_newest_first_between_two_ids_and_of_one_state(self, store: Store) -> None:
        for number in range(1, 7):
            await store.insert(an_order(number, openid=f"o{number}"))
        for number in (2, 3, 5):
            await store.replace(replace(an_order(number), rev=2, state=OrderState.CLOSED), was_rev=1)

        async def found(first: int, before: int, state: OrderState | None, limit: int = 9) -> list[str]:
            bounds = {"from_id": order_id(first), "before": order_id(before)}
            return [order.order_id for order in await store.list_orders(**bounds, state=state, limit=limit)]

        assert await found(2, 6, None) == [order_id(number) for number in (5, 4, 3, 2)]
        assert await found(3, 7, OrderState.CLOSED) == [order_id(5), order_id(3)]
        assert await found(1, 9, OrderState.OPEN, limit=2) == [order_id(6), order_id(4)]
        assert await found(1, 9, OrderState.REFUNDED) == []


class TestIdempotencyKeys:
    async def test_what_was_claimed_is_found(self, store: Store) -> None:
        claim = KeyClaim(order_id(1), "a" * 64, 1)
        await store.claim_key("key", claim)

        assert await store.find_key("key") == claim
        assert await store.find_key("another key") is None

    async def test_a_key_stands_for_what_was_claimed_first(self, store: Store) -> None:
        first, second = KeyClaim(order_id(1), "a" * 64, 1), KeyClaim(order_id(2), "b" * 64, 1)

        assert await store.claim_key("key", first) == first
        assert await store.claim_key("key", second) == first
        assert await store.claim_key("another key", second) == second

    async def test_fifty_claims_at_once_agree_on_one(self, store: Store) -> None:
        claims = [KeyClaim(order_id(number), "a" * 64, 1) for number in range(50)]

        answers = await asyncio.gather(*(store.claim_key("key", claim) for claim in claims))

        assert answers[0] in claims
        assert answers == [answers[0]] * 50


class TestUsers:
    async def test_who_was_remembered_is_found(self, store: Store) -> None:
        user = User(openid="oMing", name="小明", avatar="a", first_seen_ms=5)
        await store.remember_user(user)

        assert await store.find_user("oMing") == user
        assert await store.find_user("oHong") is None

    async def test_the_first_time_a_person_was_seen_is_kept_for_ever(self, store: Store) -> None:
        await store.remember_user(User(openid="oMing", name="小明", first_seen_ms=100))
        renamed = User(openid="oMing", name="大明", avatar="https://a.example/1.png", first_seen_ms=900)

        remembered = await store.remember_user(renamed)

        assert remembered == replace(renamed, first_seen_ms=100)

    async def test_people_are_not_mixed_up(self, store: Store) -> None:
        await store.remember_user(User(openid="oMing", name="小明", first_seen_ms=100))

        assert (await store.remember_user(User(openid="oHong", name="小红", first_seen_ms=200))).first_seen_ms == 200

    async def test_who_brought_a_person_first_is_kept_for_ever(self, store: Store) -> None:
        await store.remember_user(User(openid="oMing", name="小明", first_seen_ms=100))
        await store.bring_user("oMing", brought_by="oHong")
        await store.bring_user("oMing", brought_by="oWang")

        remembered = await store.remember_user(User(openid="oMing", name="大明", first_seen_ms=900))

        assert remembered == User(openid="oMing", name="大明", first_seen_ms=100, brought_by="oHong")

    async def test_nobody_is_made_by_being_brought(self, store: Store) -> None:
        await store.bring_user("oMing", brought_by="oHong")

        assert (await store.remember_user(User(openid="oMing", name="小明", first_seen_ms=100))).brought_by == ""

    async def test_twenty_who_bring_one_person_at_once_while_he_logs_in_leave_one(self, store: Store) -> None:
        await store.remember_user(User(openid="oMing", name="小明", first_seen_ms=100))

        await asyncio.gather(
            *(store.bring_user("oMing", brought_by=f"o{n}") for n in range(20)),
            *(store.remember_user(User(openid="oMing", name=f"小明{n}", first_seen_ms=900)) for n in range(5)),
        )

        first, second = [
            await store.remember_user(User(openid="oMing", name="小明", first_seen_ms=900)) for _ in range(2)
        ]
        assert first == second
        assert (first.first_seen_ms, first.brought_by in {f"o{n}" for n in range(20)}) == (100, True)


class TestRewards:
    async def test_a_reward_is_granted_once_whatever_it_says_the_second_time(self, store: Store) -> None:
        assert await store.grant_reward(a_reward())

        assert not await store.grant_reward(replace(a_reward(), points=500))

        assert await store.rewards_of("o1", limit=9) == [a_reward()]

    async def test_of_fifty_grants_at_once_one_is_granted(self, store: Store) -> None:
        granted = await asyncio.gather(*(store.grant_reward(a_reward()) for _ in range(50)))

        assert granted.count(True) == 1

    async def test_a_reward_is_taken_back_once_and_stays_in_the_ledger(self, store: Store) -> None:
        await store.grant_reward(a_reward())

        await store.take_back_reward(a_reward().reward_id, 700)
        await store.take_back_reward(a_reward().reward_id, 900)

        assert await store.rewards_of("o1", limit=9) == [replace(a_reward(), taken_back_at_ms=700)]
        assert not await store.grant_reward(a_reward())

    async def test_taking_back_what_was_never_granted_does_nothing(self, store: Store) -> None:
        await store.take_back_reward(a_reward().reward_id, 700)

        assert await store.rewards_of("o1", limit=9) == []

    async def test_a_persons_rewards_come_newest_first_and_only_his(self, store: Store) -> None:
        for number, at_ms in ((1, 300), (2, 100), (3, 200)):
            await store.grant_reward(a_reward(number, openid="oMing", at_ms=at_ms))
        await store.grant_reward(a_reward(4, openid="oHong", at_ms=250))

        found = await store.rewards_of("oMing", limit=2)

        assert [reward.at_ms for reward in found] == [300, 200]

    async def test_rewards_are_there_after_a_restart(self, open_store: OpenStore, tmp_path: Path) -> None:
        async with aclosing(await open_store(tmp_path)) as store:
            await store.grant_reward(a_reward())

        async with aclosing(await open_store(tmp_path)) as store:
            assert await store.rewards_of("o1", limit=9) == [a_reward()]


class TestLife:
    async def test_an_open_store_answers_a_ping(self, store: Store) -> None:
        await store.ping()

    async def test_closing_finishes_the_writes_that_are_under_way(self, open_store: OpenStore, tmp_path: Path) -> None:
        store = await open_store(tmp_path)
        writes = [asyncio.ensure_future(store.insert(an_order(number))) for number in range(50)]
        await asyncio.sleep(0)

        await store.aclose()

        await asyncio.gather(*writes)

    async def test_a_closed_store_says_so_and_may_be_closed_again(self, open_store: OpenStore, tmp_path: Path) -> None:
        store = await open_store(tmp_path)
        await store.aclose()
        await store.aclose()

        with pytest.raises(StoreUnavailable):
            await store.get(order_id(1))
        with pytest.raises(StoreUnavailable):
            await store.insert(an_order())
        with pytest.raises(StoreUnavailable):
            await store.ping()
