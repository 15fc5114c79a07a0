"""
Many callers, one request: what is asked for together goes as one, and what comes while the server is busy goes next.

Nothing waits for a batch to fill. Only so many batches are under way at once: a server that is slow is then asked less
often for more, instead of for everything at once, and what would have to wait too long is refused before it is sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from server.errors import StoreUnavailable

In = TypeVar("In")
Out = TypeVar("Out")

AnswerAll = Callable[[list[In], float], Awaitable[Sequence[Out]]]


class _Asked(NamedTuple, Generic[In, Out]):
    question: In
    at_s: float
    future: "asyncio.Future[Out]"


class TurnBatch(Generic[In, Out]):
    """
    Gathers questions for `answer_all`, which returns one answer for each, in their order.

    Args:
        answer_all: Is handed the questions and how many seconds it may take.
        patience_s: A caller gets his answer, or an error, within this time: half of it, at most, is spent waiting.
        max_size: So many at most go as one.
        most_under_way: So many batches at most are under way at the same time.
    """

    def __init__(
        self, answer_all: AnswerAll[In, Out], *, patience_s: float, max_size: int, most_under_way: int
    ) -> None:
        self._answer_all = answer_all
        self._patience_s = patience_s
        self._max_size = max_size
        self._most_under_way = most_under_way
        self._waiting: deque[_Asked[In, Out]] = deque()
        self._is_starting = False
        self._expiry: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def waiting_s(self) -> float:
        """How long the longest of those who are not sent yet has been waiting."""
        return asyncio.get_running_loop().time() - self._waiting[0].at_s if self._waiting else 0.0

    async def ask(self, question: In) -> Out:
        """
        Return the answer. A caller who gives up disturbs nobody, and does not stop what he asked for.

        Raises:
            StoreUnavailable: Every caller of the batch gets one of his own. `busy` was never sent.
        """
        loop = asyncio.get_running_loop()
        asked: _Asked[In, Out] = _Asked(question, loop.time(), loop.create_future())
        self._waiting.append(asked)
        self._start_soon()
        return await asked.future

    def _start_soon(self) -> None:
        """Whoever asks in this turn of the loop comes along."""
        if self._waiting and not self._is_starting and len(self._under_way) < self._most_under_way:
            self._is_starting = True
            asyncio.get_running_loop().call_soon(self._start)
        elif self._waiting and self._expiry is None:
            self._refuse_what_waits_too_long()

    def _start(self) -> None:
        self._is_starting = False
        while self._waiting and len(self._under_way) < self._most_under_way:
            size = min(self._max_size, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            task = asyncio.create_task(self._run(batch))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        self._start_soon()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._start_soon()

    def _refuse_what_waits_too_long(self) -> None:
        loop = asyncio.get_running_loop()
        self._expiry = None
        while self._waiting and (left_s := self._waiting[0].at_s + self._patience_s / 2 - loop.time()) <= 0:
            _fail(self._waiting.popleft().future, StoreUnavailable("busy"), None)
        if self._waiting:
            self._expiry = loop.call_later(left_s, self._refuse_what_waits_too_long)

    async def _run(self, batch: list[_Asked[In, Out]]) -> None:
        waited_s = asyncio.get_running_loop().time() - batch[0].at_s
        try:
            answers = await self._answer_all([asked.question for asked in batch], self._patience_s - waited_s)
        except StoreUnavailable as error:
            for asked in batch:
                _fail(asked.future, StoreUnavailable(error.reason), error)
        except Exception as error:  # noqa: BLE001 - it is the callers', who wait for it; nobody waits for this task
            for asked in batch:
                _fail(asked.future, error, None)
        else:
            for asked, answer in zip(batch, answers, strict=True):
                if not asked.future.done():
                    asked.future.set_result(answer)


def _fail(future: "asyncio.Future[Out]", error: Exception, cause: Exception | None) -> None:
    if not future.done():
        error.__cause__ = cause or error.__cause__
        future.set_exception(error)
