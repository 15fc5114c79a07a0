"""
Many callers, one request: what is asked for in the same turn of the loop is asked for together.

Nothing waits for a batch to fill, and nothing queues behind a batch that is under way: a caller's wait is that of his
own batch. Under load the batches form by themselves: everybody whom one answer wakes asks again in the same turn.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from server.errors import StoreUnavailable

In = TypeVar("In")
Out = TypeVar("Out")


class TurnBatch(Generic[In, Out]):
    """
    Gathers questions and hands them to `answer_all`, which returns one answer for each, in their order.

    Args:
        max_size: So many at most go as one; further ones go as another, at the same time.
    """

    def __init__(self, answer_all: Callable[[list[In]], Awaitable[Sequence[Out]]], *, max_size: int) -> None:
        self._answer_all = answer_all
        self._max_size = max_size
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: In) -> Out:
        """
        Return the answer. A caller who gives up disturbs nobody, and does not stop what he asked for.

        Raises:
            StoreUnavailable: Every caller of the batch gets one of his own.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Out] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._start)
        self._waiting.append((question, future))
        return await future

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), self._max_size):
            task = asyncio.create_task(self._run(waiting[first : first + self._max_size]))
            self._tasks.add(task)  # the loop itself holds tasks weakly
            task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[tuple[In, asyncio.Future[Out]]]) -> None:
        try:
            answers = await self._answer_all([question for question, _ in batch])
        except StoreUnavailable as error:
            for _, future in batch:
                _fail(future, StoreUnavailable(error.reason), error)
        except Exception as error:  # noqa: BLE001 - it is the callers', who wait for it; nobody waits for this task
            for _, future in batch:
                _fail(future, error, None)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(future: asyncio.Future[Out], error: Exception, cause: Exception | None) -> None:
    if not future.done():
        error.__cause__ = cause or error.__cause__
        future.set_exception(error)
