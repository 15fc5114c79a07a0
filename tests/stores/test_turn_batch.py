"""Many callers, one request."""

import asyncio
from collections.abc import Sequence

import pytest

from server.errors import StoreUnavailable
from server.stores.turn_batch import TurnBatch


class Doubler:
    """Answers with twice the number, once it is let go; keeps what it was asked together."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.batches: list[list[int]] = []
        self.is_asked = asyncio.Event()
        self.go = asyncio.Event()
        self._error = error

    async def answer_all(self, questions: list[int], within_s: float) -> Sequence[int]:
        self.batches.append(questions)
        self.is_asked.set()
        await self.go.wait()
        if self._error is not None:
            raise self._error
        return [2 * question for question in questions]


def batch_of(
    doubler: Doubler, *, patience_s: float = 10, max_size: int = 10, most_under_way: int = 1
) -> TurnBatch[int, int]:
    return TurnBatch(doubler.answer_all, patience_s=patience_s, max_size=max_size, most_under_way=most_under_way)


async def test_what_is_asked_in_one_turn_goes_as_one_and_each_gets_his_own_answer() -> None:
    doubler = Doubler()
    doubler.go.set()
    batch = batch_of(doubler)

    assert await asyncio.gather(*map(batch.ask, [3, 1, 3])) == [6, 2, 6]
    assert doubler.batches == [[3, 1, 3]]


async def test_what_comes_while_all_that_may_be_is_under_way_goes_next_and_together() -> None:
    doubler = Doubler()
    batch = batch_of(doubler)
    first = asyncio.ensure_future(batch.ask(1))
    await asyncio.wait_for(doubler.is_asked.wait(), 5)

    later = [asyncio.ensure_future(batch.ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    later += [asyncio.ensure_future(batch.ask(number)) for number in (4, 5)]
    doubler.go.set()

    assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10]
    assert doubler.batches == [[1], [2, 3, 4, 5]]


async def test_another_batch_starts_at_once_where_more_may_be_under_way() -> None:
    doubler = Doubler()
    batch = batch_of(doubler, most_under_way=2)
    first = asyncio.ensure_future(batch.ask(1))
    await asyncio.wait_for(doubler.is_asked.wait(), 5)
    doubler.is_asked.clear()

    second = asyncio.ensure_future(batch.ask(2))

    await asyncio.wait_for(doubler.is_asked.wait(), 5)
    doubler.go.set()
    assert [await first, await second] == [2, 4]


async def test_who_waited_half_his_time_is_refused_and_never_sent() -> None:
    doubler = Doubler()
    batch = batch_of(doubler, patience_s=0.02)
    first = asyncio.ensure_future(batch.ask(1))
    await asyncio.wait_for(doubler.is_asked.wait(), 5)

    with pytest.raises(StoreUnavailable, match="busy"):
        await asyncio.wait_for(batch.ask(2), 5)

    doubler.go.set()
    assert await first == 2
    assert doubler.batches == [[1]]


async def test_it_can_be_seen_how_long_somebody_has_been_waiting() -> None:
    doubler = Doubler()
    batch = batch_of(doubler)
    assert batch.waiting_s == 0
    first = asyncio.ensure_future(batch.ask(1))
    await asyncio.wait_for(doubler.is_asked.wait(), 5)
    assert batch.waiting_s == 0  # he is being served

    second = asyncio.ensure_future(batch.ask(2))
    await asyncio.sleep(0)
    assert 0 < batch.waiting_s < 5

    doubler.go.set()
    assert [await first, await second] == [2, 4]
    assert batch.waiting_s == 0


async def test_a_batch_may_take_what_its_oldest_caller_has_left() -> None:
    given_s = []

    async def answer_all(questions: list[int], within_s: float) -> Sequence[int]:
        given_s.append(within_s)
        return questions

    assert await TurnBatch(answer_all, patience_s=5, max_size=10, most_under_way=1).ask(1) == 1
    assert 4 < given_s[0] <= 5


async def test_more_than_fit_go_as_several_at_the_same_time() -> None:
    doubler = Doubler()
    doubler.go.set()
    batch = batch_of(doubler, max_size=2, most_under_way=3)

    assert await asyncio.gather(*map(batch.ask, range(5))) == [0, 2, 4, 6, 8]
    assert doubler.batches == [[0, 1], [2, 3], [4]]


async def test_a_caller_who_gives_up_disturbs_nobody() -> None:
    doubler = Doubler()
    batch = batch_of(doubler)
    callers = [asyncio.ensure_future(batch.ask(number)) for number in range(3)]
    await asyncio.sleep(0)

    callers[1].cancel()
    doubler.go.set()

    assert await callers[0] == 0
    assert await callers[2] == 4
    assert doubler.batches == [[0, 1, 2]]


async def test_a_failure_is_told_to_every_caller_by_an_error_of_his_own() -> None:
    cause = StoreUnavailable("timeout")
    doubler = Doubler(error=cause)
    doubler.go.set()
    batch = batch_of(doubler)

    errors = await asyncio.gather(*map(batch.ask, range(3)), return_exceptions=True)

    assert all(isinstance(error, StoreUnavailable) and error.reason == "timeout" for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert all(isinstance(error, StoreUnavailable) and error.__cause__ is cause for error in errors)


async def test_a_bug_reaches_the_callers_as_it_is() -> None:
    doubler = Doubler(error=KeyError("bug"))
    doubler.go.set()

    with pytest.raises(KeyError):
        await batch_of(doubler).ask(1)
