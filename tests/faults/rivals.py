"""
Two friends pay one share in the same instant, each through a process of his own.

Both processes reach MongoDB and Redis through a proxy that holds every piece of bytes up for a random while, so that
each round interleaves its reads and writes in another way. WeChat refunds at once and sends its own notifies.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.app import start as start_sandbox
from tests.faults.auditor import Audit, Ledger, history
from tests.faults.processes import ServerProcess, a_free_port, merchant_environment
from tests.faults.shelves import MongoShelf
from tests.people import Person, a_client
from tests.proxy import Proxy
from tests.redis_server import RedisServer
from tests.stores.wire_server import WireServer

AT_ONCE: Final = 4  # rounds
FEN: Final = 1800
SETTLED_WITHIN_S: Final = 60
JITTER_S: Final = 0.004

Frame = dict[str, Any]


@dataclass
class Rivalry:
    """Two processes, three people, and what came of the rounds so far."""

    control: httpx.AsyncClient
    shelf: MongoShelf
    initiator: Person
    friends: tuple[Person, Person]
    complaints: list[str] = field(default_factory=list)
    wins: list[int] = field(default_factory=list)  # which friend's money was kept

    async def rounds(self, count: int, *, told: Callable[[int], None] = lambda done: None) -> None:
        """Play so many rounds, some at once, and audit all of them in the end."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def play() -> None:
            async with slots:
                await self._round()
            told(len(self.wins))

        await asyncio.gather(*(play() for _ in range(count)))
        ledger = (await self.control.get("/_sim/ledger")).json()
        calls = (await self.control.get("/_sim/calls")).json()
        self.complaints += _one_of_two(ledger)
        answered = [n["out_trade_no"] for n in calls["notifies"] if n["answer"] == "SUCCESS"]
        stored = await asyncio.to_thread(self.shelf.stored)
        self.complaints += Audit(stored, Ledger.of(ledger, answered=answered)).at_rest()

    async def _round(self) -> None:
        placed = await _answered(lambda: self.initiator.http.post("/api/orders", json={"title": "奶茶", "amount": FEN}))
        order_id = placed["order"]["order_id"]
        people = (self.initiator, *self.friends)
        pages = [asyncio.create_task(_until_settled(person, order_id)) for person in people]
        pressed = await asyncio.gather(*(self._press(friend, order_id) for friend in self.friends))
        await asyncio.gather(*map(self._pay, pressed))
        for person, frames in zip(people, await asyncio.gather(*pages), strict=True):
            order = await self._read(person, order_id)
            shown = frames[-1]["order"]
            if _told(shown) != _told(order):
                self.complaints.append(f"I7: a page ends on {_told(shown)}, the truth is {_told(order)}")
            self.complaints += history([frame["order"]["state"] for frame in frames])
        kept = [payment["payer"]["name"] for payment in order["payments"] if payment["share"] is not None]
        self.wins += [[friend.name for friend in self.friends].index(name) for name in kept]

    async def _press(self, friend: Person, order_id: str) -> str:
        number: str = (await _answered(lambda: friend.press_pay(order_id)))["payment"]["out_trade_no"]
        return number

    async def _read(self, person: Person, order_id: str) -> dict[str, Any]:
        order: dict[str, Any] = (await _answered(lambda: person.http.get(f"/api/orders/{order_id}")))["order"]
        return order

    async def _pay(self, out_trade_no: str) -> None:
        answer = await self.control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def a_rivalry(folder: Path, redis: RedisServer) -> AsyncIterator[Rivalry]:
    """Yield two running processes; the initiator and the first friend speak to the first of them."""
    mongo = WireServer(folder / "mongo")
    await asyncio.to_thread(mongo.start)
    async with AsyncExitStack() as stack:
        stack.callback(mongo.stop)
        wechat = await start_sandbox(refund_after_s=0)
        stack.push_async_callback(wechat.aclose)
        control = await stack.enter_async_context(a_client(wechat.url))
        merchant = (await control.get("/_sim/merchant")).json()
        urls = []
        for name in ("one", "two"):
            port = a_free_port()
            urls.append(f"http://127.0.0.1:{port}")
            environment = {
                **merchant_environment(urls[-1], wechat.url, merchant),
                **await _slow_ways(stack, mongo.port, redis.port),
                "PAY_LEASE_S": "0",  # nobody keeps the share for himself while he pays
                "WATCH_MAX_PER_PERSON": "50",
            }
            server = ServerProcess(port=port, data_dir=folder / name, environment=environment)
            await server.start()
            stack.push_async_callback(server.aclose)
        people = [
            await stack.enter_async_context(Person(*who))
            for who in (("小红", urls[0]), ("小明", urls[0]), ("老王", urls[1]))
        ]
        for person in people:
            await person.log_in()
        shelf = MongoShelf(f"{mongo.url}/daifu")
        stack.callback(shelf.close)
        yield Rivalry(control, shelf, people[0], (people[1], people[2]))


async def _slow_ways(stack: AsyncExitStack, mongo_port: int, redis_port: int) -> Mapping[str, str]:
    ways = [await stack.enter_async_context(Proxy(port)) for port in (mongo_port, redis_port)]
    for way in ways:
        way.jitter_s = JITTER_S
    # Asked for its replica set the server would name its own port, and the proxy would be passed by.
    mongodb_url = f"mongodb://127.0.0.1:{ways[0].port}/daifu?directConnection=true"
    return {"MONGODB_URL": mongodb_url, "REDIS_URL": ways[1].url}


async def _answered(ask: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
    """Return the answer's body; who is told that the server is busy presses again."""
    while (answer := await ask()).status_code == httpx.codes.SERVICE_UNAVAILABLE:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.2)
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def _until_settled(person: Person, order_id: str) -> list[Frame]:
    """Return what a page sees up to the frame in which one payment stands and the other has gone back."""
    frames: list[Frame] = []
    page = await person.watch(order_id)
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while not frames or _states(frames[-1]["order"]) != ["REFUND", "SUCCESS"]:
            try:
                frame = await page.next_frame()
            except TimeoutError:
                frame = None
            if frame is None:  # sent away, or heard nothing for long: as a page it comes back
                page = await person.watch(order_id)
            elif frame["type"] == "order":
                frames.append(frame)
    page.close()
    return frames


def _states(order: dict[str, Any]) -> list[str]:
    return sorted(payment["trade_state"] for payment in order["payments"])


def _told(order: dict[str, Any]) -> dict[str, Any]:
    """Return what a page shows; `rev` also counts what nobody sees."""
    return {name: value for name, value in order.items() if name != "rev"}


def _one_of_two(ledger: Mapping[str, Any]) -> list[str]:
    """Of two payments of an order WeChat has refunded one, in full, and the other not at all."""
    back = {line["out_trade_no"]: line["refund_fee"] for line in ledger["refunds"]}
    orders: dict[str, list[int]] = {}
    for line in ledger["orders"]:
        orders.setdefault(line["out_trade_no"][:26], []).append(line["total_fee"] - back.get(line["out_trade_no"], 0))
    return [f"I1: {order_id} kept {kept}" for order_id, kept in orders.items() if sorted(kept) != [0, FEN]]
