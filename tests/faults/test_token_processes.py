"""Four processes that all miss the access token at the same moment."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.process, pytest.mark.redis]

PROCESSES = 4
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 90  # four processes start on a machine that may have other work


async def a_process(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.token_process", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def says(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def test_two_hundred_misses_in_four_processes_are_one_fetch_of_token_and_ticket(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    for target in ("stable_token", "getticket"):  # slow enough for everybody to miss meanwhile
        fault = {"target": target, "kind": "slow", "delay_s": 0.5}
        assert (await wechat_control.post("/_sim/faults", json=fault)).status_code == 200
    arguments = (redis_server.url, wechat.url, merchant["appid"], merchant["app_secret"])
    async with asyncio.timeout(PATIENCE_S):
        processes = [await a_process(*arguments) for _ in range(PROCESSES)]
        try:
            assert [await says(process) for process in processes] == ["ready"] * PROCESSES
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
            assert await asyncio.gather(*(says(process) for process in processes)) == ["50"] * PROCESSES
        finally:
            for process in processes:
                assert process.stdin is not None
                process.stdin.close()
                await process.wait()

    calls = (await wechat_control.get("/_sim/calls")).json()["calls"]
    assert [(call["api"], call["answer"]) for call in calls] == [("stable_token", "ok"), ("getticket", "ok")]
    kept = [key.decode() for key in redis_server.do("KEYS", "daifu:*") if b"turn" not in key]
    assert len(kept) == 4  # token, ticket, and a count of each
    assert not redis_server.do("KEYS", "daifu:*_turn:*")  # let go of
