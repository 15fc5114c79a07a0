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

    async def answer_all(self, questions: list[int]) -> Sequence[int]:
        self.batches.append(questions)
        self.is_asked.set()
        await self.go.wait()
        if self._error is not None:
            raise self._error
        return [2 * question for question in questions]


async def test_what_is_asked_in_one_turn_goes_as_one_and_each_gets_his_own_answer() -> None:
    doubler = Doubler()
    doubler.go.set()
    batch = TurnBatch(doubler.answer_all, max_size=10)

    assert await asyncio.gather(*map(batch.ask, [3, 1, 3])) == [6, 2, 6]
    assert doubler.batches == [[3, 1, 3]]


async def test_nobody_waits_for_a_batch_that_is_under_way() -> None:
    doubler = Doubler()
    batch = TurnBatch(doubler.answer_all, max_size=10)
    first = asyncio.ensure_future(batch.ask(1))
    await asyncio.wait_for(doubler.is_asked.wait(), 5)
    doubler.is_asked.clear()

    second = asyncio.ensure_future(batch.ask(2))

    await asyncio.wait_for(doubler.is_asked.wait(), 5)
    doubler.go.set()
    assert await first == 2
    assert await second == 4


async def test_more_than_fit_go_as_several_at_the_same_time() -> None:
    doubler = Doubler()
    doubler.go.set()
    batch = TurnBatch(doubler.answer_all, max_size=2)

    assert await asyncio.gather(*map(batch.ask, range(5))) == [0, 2, 4, 6, 8]
    assert doubler.batches == [[0, 1], [2, 3], [4]]


async def test_a_caller_who_gives_up_disturbs_nobody() -> None:
    doubler = Doubler()
    batch = TurnBatch(doubler.answer_all, max_size=10)
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
    batch = TurnBatch(doubler.answer_all, max_size=10)

    errors = await asyncio.gather(*map(batch.ask, range(3)), return_exceptions=True)

    assert all(isinstance(error, StoreUnavailable) and error.reason == "timeout" for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert all(isinstance(error, StoreUnavailable) and error.__cause__ is cause for error in errors)


async def test_a_bug_reaches_the_callers_as_it_is() -> None:
    doubler = Doubler(error=KeyError("bug"))
    doubler.go.set()

    with pytest.raises(KeyError):
        await TurnBatch(doubler.answer_all, max_size=10).ask(1)
