"""What everything promises that says whose turn it is to add days up, and what it is to two keepers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from server.bootstrap import stats_of, turn_of
from server.domain.day_stats import DayStats
from server.ports import StatsTurn
from server.usecases.keep_stats import TURN_MS, StatsKeeper
from tests.contracts.store_fillings import AnyStore, OpenStore, every_filling
from tests.domain.histories import placed
from tests.running import ShiftedClock

pytestmark = every_filling


@pytest.fixture
async def store(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[AnyStore]:
    async with aclosing(await open_store(tmp_path)) as store:
        yield store


@pytest.fixture
def turn(store: AnyStore) -> StatsTurn:
    return turn_of(store)


async def test_it_is_one_holders_turn_until_its_lease_ends_or_it_gives_it_back(turn: StatsTurn) -> None:
    assert await turn.take("a", now_ms=100, lease_ms=1000)
    assert not await turn.take("b", now_ms=1099, lease_ms=1000)
    assert await turn.take("a", now_ms=1099, lease_ms=1000)  # makes it longer
    assert not await turn.take("b", now_ms=2098, lease_ms=1000)
    assert await turn.take("b", now_ms=2099, lease_ms=1000)
    assert not await turn.take("a", now_ms=2099, lease_ms=1000)

    await turn.give_back("a")  # it is not his any more
    assert not await turn.take("a", now_ms=2099, lease_ms=1000)
    await turn.give_back("b")
    assert await turn.take("a", now_ms=2099, lease_ms=1000)


async def test_of_many_at_once_one_gets_it_at_first_and_when_a_lease_ended(turn: StatsTurn) -> None:
    for now_ms in (100, 5000):
        takes = [turn.take(f"{now_ms}:{n}", now_ms=now_ms, lease_ms=1000) for n in range(8)]
        assert sum(await asyncio.gather(*takes)) == 1


async def test_what_was_told_is_heard_once_however_often_it_was_told(turn: StatsTurn) -> None:
    await turn.tell(["2026-10-01", "2026-10-02"])
    await turn.tell(["2026-10-02", "2026-10-03"])

    assert await turn.told() == {"2026-10-01", "2026-10-02", "2026-10-03"}
    assert await turn.told() == frozenset()


class TestTwoKeepers:
    """Two processes, one store; no keeper has a task, each looks when it is told to."""

    @pytest.fixture
    def clock(self) -> ShiftedClock:
        return ShiftedClock()

    @pytest.fixture
    def keepers(self, store: AnyStore, turn: StatsTurn, clock: ShiftedClock) -> list[StatsKeeper]:
        self.heard: list[set[str]] = [set(), set()]
        self.added_up: list[str] = []
        stats = stats_of(store)
        keep = stats.keep_rollup

        async def counted(rollup: DayStats) -> None:
            self.added_up.append(rollup.day)
            await keep(rollup)

        stats.keep_rollup = counted  # type: ignore[method-assign]
        return [
            StatsKeeper(store=store, stats=stats, turn=turn, clock=clock, changed_days=heard, monotonic_s=lambda: 0.0)
            for heard in self.heard
        ]

    async def test_one_adds_up_what_both_hear_of(
        self, store: AnyStore, keepers: list[StatsKeeper], clock: ShiftedClock
    ) -> None:
        first, second = keepers
        order = placed("阿花", clock.now_ms())
        await store.insert(order)
        await first.look()
        await second.look()
        assert len(self.added_up) == 1
        [day] = self.added_up

        self.heard[1].add(day)
        await second.look()
        assert (len(self.added_up), self.heard[1]) == (1, set())
        await first.look()

        assert self.added_up == [day, day]

    async def test_the_other_takes_over_when_one_died_or_ended(
        self, store: AnyStore, keepers: list[StatsKeeper], clock: ShiftedClock
    ) -> None:
        first, second = keepers
        await first.look()  # and dies
        await store.insert(placed("阿花", clock.now_ms()))
        clock.ahead_ms += TURN_MS - 1000
        await second.look()
        assert self.added_up == []
        clock.ahead_ms += 1001
        await second.look()
        assert len(self.added_up) == 1

        await store.insert(placed("小红", clock.now_ms()))
        await second.aclose()
        await first.look()
        assert len(self.added_up) == 2
