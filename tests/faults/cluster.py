"""Two daifu processes on one MongoDB wire server and one Redis, with one simulated WeChat: production in small."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sandbox.app import Sandbox
from sandbox.app import start as start_sandbox
from tests.faults.processes import ServerProcess, a_free_port, merchant_environment
from tests.handlers.forged_notifies import Forger
from tests.people import Person, a_client
from tests.redis_server import RedisServer
from tests.stores.wire_server import WireServer


@dataclass
class Cluster:
    """`wechat` tells who is who; the notifies are posted by the test itself, to the process it chooses."""

    servers: list[ServerProcess]
    redis: RedisServer
    mongo: WireServer
    wechat: Sandbox
    control: httpx.AsyncClient
    merchant: dict[str, Any]
    initiator: Person
    friend: Person
    friend_openid: str
    http: httpx.AsyncClient

    async def an_attempt(self) -> tuple[str, str]:
        """Return a fresh order of the initiator's (first process) and a friend's attempt at it (second process)."""
        order_id: str = (await self.initiator.place_order())["order_id"]
        return order_id, await self.friend.start_payment(order_id)

    def notify_body(self, out_trade_no: str) -> bytes:
        """Return WeChat's notify for this attempt."""
        forger = Forger(self.http, self.merchant, out_trade_no, self.friend_openid)
        return forger.body(transaction_id="42" + out_trade_no[:26])

    async def notify(self, out_trade_no: str, server: ServerProcess) -> httpx.Response:
        """Post WeChat's notify for this attempt to one of the processes."""
        return await self.http.post(f"{server.url}/wechat/notify/pay", content=self.notify_body(out_trade_no))


@asynccontextmanager
async def a_cluster(folder: Path, redis: RedisServer, **settings: str) -> AsyncIterator[Cluster]:
    """
    Yield two running processes: the initiator speaks to the first, the friend to the second.

    Args:
        settings: What both processes are told besides, as in the environment.
    """
    mongo = WireServer(folder / "mongo")
    await asyncio.to_thread(mongo.start)
    async with AsyncExitStack() as stack:
        stack.callback(mongo.stop)
        wechat = await start_sandbox()
        stack.push_async_callback(wechat.aclose)
        control = await stack.enter_async_context(a_client(wechat.url))
        await control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
        merchant = (await control.get("/_sim/merchant")).json()
        shared = {"MONGODB_URL": f"{mongo.url}/daifu", "REDIS_URL": redis.url, **settings}
        servers = [_a_server(folder / name, wechat, merchant, shared) for name in ("one", "two")]
        for server in servers:
            await server.start()
            stack.push_async_callback(server.aclose)
        initiator = await stack.enter_async_context(Person("小红", servers[0].url))
        friend = await stack.enter_async_context(Person("小明", servers[1].url))
        await initiator.log_in()
        await friend.log_in()
        users = (await control.get("/_sim/users")).json()
        openid = next(user["openid"] for user in users if user["nickname"] == "小明")
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=10))
        yield Cluster(servers, redis, mongo, wechat, control, merchant, initiator, friend, openid, http)


def _a_server(folder: Path, wechat: Sandbox, merchant: dict[str, Any], shared: Mapping[str, str]) -> ServerProcess:
    port = a_free_port()
    environment = {**merchant_environment(f"http://127.0.0.1:{port}", wechat.url, merchant), **shared}
    return ServerProcess(port=port, data_dir=folder, environment=environment)
