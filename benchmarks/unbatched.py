"""
daifu whose MongoDB and Redis are asked for one thing at a time: what batching is measured against.

    python benchmarks/unbatched.py serve --port 8888
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # started by its path, as run.py is

from run import main
from server.redis import pipe
from server.redis.connection import ANSWER_S, Connection, send
from server.stores import mongo

UNLIMITED: Final = 1_000_000


async def _serve_one_by_one(self: pipe.RedisPipe, connection: Connection) -> None:
    while True:
        await self._wake.wait()
        self._wake.clear()
        while self._waiting:
            command, answer = self._waiting.pop(0)
            async with asyncio.timeout(ANSWER_S):
                await send(connection, [command])
                await pipe._read_into(answer, connection)
        self._failures = 0


if __name__ == "__main__":
    vars(mongo).update(MAX_BATCH=1, READS_UNDER_WAY=UNLIMITED, WRITES_UNDER_WAY=UNLIMITED)
    pipe.RedisPipe._serve = _serve_one_by_one  # type: ignore[method-assign]
    main()
