"""Saying news on Redis, without anybody waiting for it."""

import asyncio
from contextlib import suppress
from typing import Final

from server.redis.pipe import RedisPipe
from server.tasks import end

MAX_WAITING: Final = 1000
RETRY_S: Final = 0.2
FLUSH_S: Final = 0.5

_Batch = dict[tuple[str, str], tuple[int, bytes]]  # rev and payload by channel and kind


class Publisher:
    """
    Sends the newest message of each kind on each channel, those of one turn of the loop together.

    What could not be sent waits for the next connection, one message of a kind; beyond `MAX_WAITING` messages the
    oldest are dropped and counted. A message may be sent twice.
    """

    def __init__(self, pipe: RedisPipe) -> None:
        self._pipe = pipe
        self._waiting: _Batch = {}
        self._wake = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self.published = 0
        self.dropped = 0
        self._task = asyncio.get_running_loop().create_task(self._run(), name="daifu-publisher")

    def put(self, channel: str, rev: int, payload: bytes, *, kind: str = "state") -> None:
        """Send this soon, unless something newer of its kind waits for the channel."""
        waiting = self._waiting.get((channel, kind))
        if waiting is not None and waiting[0] >= rev:
            return
        self._waiting[channel, kind] = (rev, payload)
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        self._flushed.clear()
        self._wake.set()

    async def aclose(self) -> None:
        """Send what still waits, if Redis takes it within half a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._flushed.wait()
        await end([self._task])

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await self._pipe.opened.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, {}
            if not await self._send(batch):
                for (channel, kind), (rev, payload) in batch.items():
                    self.put(channel, rev, payload, kind=kind)
                await asyncio.sleep(RETRY_S)
            elif not self._waiting:
                self._flushed.set()

    async def _send(self, batch: _Batch) -> bool:
        answers = await asyncio.gather(
            *(self._pipe.call("PUBLISH", channel, payload) for (channel, _), (_, payload) in batch.items()),
            return_exceptions=True,
        )
        failed = sum(isinstance(answer, BaseException) for answer in answers)
        self.published += len(answers) - failed
        return failed == 0
