"""Redis: does it answer, may it be written to, and what does it do when it is full? Nothing needs to be kept there."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from redis.exceptions import AuthenticationError, ResponseError

from server.doctor.finding import Finding, Level, ok, warning, wrong
from server.redis.connection import ANSWER_S, CONNECTION_ERRORS, connection_to, send

OLDEST: Final = (6, 0)  # the first with users in its address
KEEPS_ALL: Final = "noeviction"


async def check_redis(url: str) -> list[Finding]:
    """Return what is to be said of the Redis at this address; nothing if there is no address."""
    if not url:
        return []
    connection = connection_to(url, name="daifu-doctor")
    try:
        async with asyncio.timeout(2 * ANSWER_S):
            await connection.connect()
            await send(connection, [("INFO",)])
            answer = await connection.read_response()
    except (AuthenticationError, ResponseError):
        return [wrong("redis_forbidden")]
    except CONNECTION_ERRORS as error:
        return [wrong("redis_silent", reason=type(error).__name__)]
    finally:
        await connection.disconnect(nowait=True)
    found = [*judge_info(_fields(answer.decode() if isinstance(answer, bytes) else str(answer)))]
    return found if any(each.level is Level.WRONG for each in found) else [ok("redis_fine"), *found]


def judge_info(info: Mapping[str, str]) -> Iterator[Finding]:
    """Judge the fields of `INFO`."""
    if info.get("role") == "slave":
        yield wrong("redis_replica")
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        yield warning("redis_old", version=version)
    if info.get("maxmemory", "0") != "0" and info.get("maxmemory_policy") == KEEPS_ALL:
        yield warning("redis_keeps_all")


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in lines if colon}
