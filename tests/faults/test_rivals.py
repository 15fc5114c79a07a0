"""Two friends pay one share in the same instant; `make faults` plays a thousand rounds."""

from pathlib import Path

import pytest

from tests.faults.rivals import a_rivalry
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.mongo]

ROUNDS = 8


async def test_one_of_them_is_applied_and_the_other_refunded_and_all_three_pages_say_so(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    async with a_rivalry(tmp_path, redis_server) as rivalry:
        await rivalry.rounds(ROUNDS)

    assert rivalry.complaints == []
    assert len(rivalry.wins) == ROUNDS
