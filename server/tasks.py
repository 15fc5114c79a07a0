"""Ending what runs in the background."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_AGAIN_S: Final = 0.1


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """
    Return when all of them have ended.

    Cancelled again and again: before Python 3.12 a task group whose tasks fail at the very moment forgets that it was
    cancelled itself.
    """
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN_S)
