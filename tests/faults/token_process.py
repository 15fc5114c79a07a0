"""A process that misses the access token 50 times at once, as often as it is told to; see `test_token_processes.py`."""

import asyncio
import json
import sys

from handlers.logs import configure_logs
from server.cache.redis import PATIENT_S, RedisCache
from server.usecases.official_account import OfficialAccount
from server.wechat.official_client import OfficialClient
from tests.running import ShiftedClock

AT_ONCE = 50


async def main(redis_url: str, wechat_url: str, appid: str, app_secret: str) -> None:
    configure_logs("json")
    cache = await RedisCache.open(redis_url, wait_s=PATIENT_S)
    account = OfficialAccount(appid, OfficialClient(appid, app_secret, wechat_url), cache=cache, clock=ShiftedClock())
    print("ready", flush=True)  # noqa: T201 - what it is there for
    while await asyncio.to_thread(sys.stdin.readline):
        pages = await asyncio.gather(*(account.sign_page("https://x/") for _ in range(AT_ONCE)))
        print(json.dumps(len(pages)), flush=True)  # noqa: T201
    await account.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
