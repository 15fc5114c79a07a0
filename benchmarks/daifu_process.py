"""
daifu as it runs in production, as a contestant: a process on the server's core, with orders in its store that each have
a friend's attempt waiting for its notify, and the initiator's session.

Everything is real but WeChat, which is the simulator, asked for logins only.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.contestant import NOTIFY_PATH, ORDER_PATH, Contestant, get, notify_body, post
from benchmarks.load import an_order
from benchmarks.machine import SERVER_CORE, on_core
from benchmarks.own_listener import check_listener
from benchmarks.raw_pages import Conversation, Turn, handshake
from sandbox import signing
from sandbox.app import start as start_sandbox
from server.bootstrap import SQLITE_FILE
from server.domain.document import Order
from server.domain.events import Person as Payer
from server.errors import DuplicateOrder, StoreUnavailable
from server.stores.mongo import MongoStore
from server.stores.sqlite import SqliteStore
from tests.faults.processes import ROOT, ServerProcess, a_free_port, merchant_environment
from tests.people import Person, a_client

RUN: Final = ROOT / "run.py"
UNBATCHED: Final = ROOT / "benchmarks/unbatched.py"
AHEAD_MS: Final = 3_600_000
"""How far ahead of their notifies the attempts lie, so that no timed query of theirs comes due in a slice."""

# One flush is shared by as many as come together; MongoDB is asked for each, over a few connections.
INSERTED_AT_ONCE: Final = {SqliteStore: 500, MongoStore: 16}
INSERTED_MOST_OFTEN: Final = 10
MANY: Final = dict.fromkeys(("WATCH_MAX_PER_PERSON", "WATCH_MAX_PER_ADDRESS"), "100000")


@dataclass(frozen=True)
class Shop:
    """The simulated WeChat, and who is who there. `settings` are what every daifu is told, as in the environment."""

    settings: Mapping[str, str]
    wechat_url: str
    merchant: dict[str, Any]
    initiator: Payer
    friend: Payer

    @asynccontextmanager
    async def daifu(
        self,
        folder: Path,
        name: str = "daifu",
        *,
        orders: int,
        settings: Mapping[str, str] | None = None,
        program: Path = RUN,
        grow: Callable[[Path], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Contestant]:
        """
        Run daifu with so many orders.

        Args:
            settings: What this one is told besides.
            grow: Is called with the SQLite file, made but empty, before those orders are written.
        """
        told = {**self.settings, **(settings or {})}
        await asyncio.to_thread(folder.mkdir, parents=True)
        ahead_ms = time.time_ns() // 1_000_000 + AHEAD_MS
        made = [an_order(self.initiator, self.friend, now_ms=ahead_ms) for _ in range(orders)]
        await (await _open_store(folder, told)).aclose()
        if grow is not None:
            await grow(folder / SQLITE_FILE)
        async with aclosing(await _open_store(folder, told)) as store:
            await _insert(store, made)
        port = a_free_port()
        environment = {**merchant_environment(f"http://127.0.0.1:{port}", self.wechat_url, self.merchant), **MANY}
        process = ServerProcess(port=port, data_dir=folder, environment={**environment, **told}, program=program)
        with on_core(SERVER_CORE):
            await process.start()
        try:
            check_listener(port, process.pid)
            yield await self._contestant(name, process, made)
        finally:
            await process.aclose()

    async def _contestant(self, name: str, process: ServerProcess, orders: Sequence[Order]) -> Contestant:
        async with Person(self.initiator.name, process.url) as page:
            await page.log_in()
            cookie = "Cookie: " + "; ".join(f"{cookie.name}={cookie.value}" for cookie in page.http.cookies.jar)
            token = (await page.http.post("/api/token", json={})).raise_for_status().json()["token"]
        bearer = f"Authorization: Bearer {token}"

        def watch(order: str) -> Conversation:
            return (Turn(handshake(f"/ws/orders/{order}", bearer), f'"order_id":"{order}"'.encode()),)

        return Contestant(
            name=name,
            pid=process.pid,
            port=process.port,
            order_ids=[order.order_id for order in orders],
            notifies=[self.notify(order) for order in orders],
            get=lambda order: get(ORDER_PATH + order, cookie),
            watch=watch,
            token=token,
        )

    def notify(self, order: Order) -> bytes:
        """Return the genuine notify of this order's one attempt, as a whole request."""
        out_trade_no = order.payments[0].out_trade_no
        body = notify_body(self.merchant, out_trade_no, self.friend.openid, signing.HMAC_SHA256)
        return post(NOTIFY_PATH, body)


@asynccontextmanager
async def a_shop(settings: Mapping[str, str] | None = None) -> AsyncIterator[Shop]:
    """Open the simulated WeChat, for servers that are told this."""
    async with AsyncExitStack() as stack:
        wechat = await start_sandbox()
        stack.push_async_callback(wechat.aclose)
        control = await stack.enter_async_context(a_client(wechat.url))
        merchant = (await control.get("/_sim/merchant")).json()
        openids = {user["nickname"]: user["openid"] for user in (await control.get("/_sim/users")).json()}
        initiator, friend = (Payer(openids[name], name, "") for name in ("小红", "小明"))
        yield Shop(settings or {}, wechat.url, merchant, initiator, friend)


async def _open_store(folder: Path, told: Mapping[str, str]) -> SqliteStore | MongoStore:
    if url := told.get("MONGODB_URL"):
        return await MongoStore.open(url)
    return await SqliteStore.open(folder / SQLITE_FILE)


async def _insert(store: SqliteStore | MongoStore, orders: Sequence[Order]) -> None:
    at_once = INSERTED_AT_ONCE[type(store)]
    for start in range(0, len(orders), at_once):
        await asyncio.gather(*(_insert_one(store, order) for order in orders[start : start + at_once]))


async def _insert_one(store: SqliteStore | MongoStore, order: Order) -> None:
    """A busy database may not say in time whether it took an order: then it is asked again."""
    for _ in range(INSERTED_MOST_OFTEN):
        try:
            await store.insert(order)
        except StoreUnavailable:
            continue
        except DuplicateOrder:
            return
        else:
            return
    raise StoreUnavailable("busy")
