"""Notifies at a steady rate while pages watch, and what came of each of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from ulid import ULID

from benchmarks.balancer import Balancer, NoAnswerError
from benchmarks.pages import Page
from server.domain.document import Order, new_order
from server.domain.events import PaymentStarted, Person, TradeType
from server.domain.money import Fen
from server.domain.order import apply
from server.stores.mongo import MongoStore
from tests.faults.cluster import Cluster

AMOUNT: Final = Fen(1800)
NOTIFY_PATH: Final = "/wechat/notify/pay"
AT_ONCE: Final = 16
PATIENCE_S: Final = 30

# How fast the preparation is here, roughly: how far ahead the first notify is.
INSERTED_PER_S: Final = 200
OPENED_PER_S: Final = 100

T = TypeVar("T")


@dataclass
class Sent:
    """One notify. Times are `time.perf_counter` seconds; `due_s` is when it should have gone out."""

    page: Page | None
    due_s: float
    answered_s: float | None = None
    failure: str = ""

    @property
    def answer_ms(self) -> float | None:
        return None if self.answered_s is None else (self.answered_s - self.due_s) * 1000

    @property
    def frame_ms(self) -> float | None:
        paid_at_s = self.page.paid_at_s if self.page is not None else None
        return None if paid_at_s is None else (paid_at_s - self.due_s) * 1000


@dataclass
class Load:
    """Genuine notifies, and pages on some of their orders."""

    cluster: Cluster
    store: MongoStore
    pages: dict[str, Page]
    notifies: dict[str, bytes]

    async def notify(self, balancer: Balancer, *, rate: int, told: Callable[[], None]) -> list[Sent]:
        """Post every notify; see `post_paced`."""
        return await post_paced(self.notifies, balancer, rate=rate, pages=self.pages, told=told)

    async def until_right(self) -> list[Page]:
        """Wait until every page shows its order as it is stored; return those that never did."""
        return await until_shown(self.pages, await self._stored_revs())

    async def _stored_revs(self) -> dict[str, int]:
        revs: dict[str, int] = {}
        for some in _slices(list(self.pages)):
            revs |= {order.order_id: order.rev for order in await self.store.get_many(some)}
        return revs


async def post_paced(
    notifies: Mapping[str, bytes], balancer: Balancer, *, rate: int, pages: Mapping[str, Page], told: Callable[[], None]
) -> list[Sent]:
    """
    Post every notify, `rate` a second, whatever becomes of the earlier ones; return when each has its answer.

    Args:
        notifies: Bodies, by order.
        pages: Those that watch some of these orders.
        told: Called for each answer.
    """
    begin_s = time.perf_counter()
    sent = [Sent(pages.get(order_id), begin_s + n / rate) for n, order_id in enumerate(notifies)]

    async def post(n: int, each: Sent, body: bytes) -> None:
        try:
            answer = await balancer.post(NOTIFY_PATH, body, turn=n)
            each.answered_s = time.perf_counter()
            each.failure = "" if b"SUCCESS" in answer else answer.decode()
        except NoAnswerError as error:
            each.failure = str(error)
        told()

    async with asyncio.TaskGroup() as posts:
        for n, (each, body) in enumerate(zip(sent, notifies.values(), strict=True)):
            await asyncio.sleep(max(0.0, each.due_s - time.perf_counter()))
            posts.create_task(post(n, each, body))
    return sent


async def until_shown(pages: Mapping[str, Page], revs: Mapping[str, int]) -> list[Page]:
    """Wait until every page shows its order at this rev; return those that never did."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            for order_id, page in pages.items():
                await _until_shown(page, revs[order_id])
    return [page for order_id, page in pages.items() if page.rev != revs[order_id]]


@asynccontextmanager
async def a_load(
    cluster: Cluster, *, notifies: int, rate: int, pages: int, ports_of: Callable[[int], Sequence[int]]
) -> AsyncIterator[Load]:
    """
    Yield orders with an attempt each, in the store, and pages on some of them, evenly spread.

    Args:
        rate: How many of them will be sent a second.
        pages: At most as many as `notifies`.
        ports_of: The processes page number n may watch from, the first choice first.
    """
    answer = await cluster.initiator.http.post("/api/token", json={})
    token = answer.raise_for_status().json()["token"]
    users = (await cluster.control.get("/_sim/users")).json()
    initiator = Person(next(user["openid"] for user in users if user["nickname"] == "小红"), "小红", "")
    friend = Person(cluster.friend_openid, "小明", "")
    first_ms = time.time_ns() // 1_000_000 + 1000 * (notifies // INSERTED_PER_S + pages // OPENED_PER_S)
    orders = [an_order(initiator, friend, now_ms=first_ms + n * 1000 // rate) for n in range(notifies)]
    watched = [orders[n * notifies // pages].order_id for n in range(pages)]
    async with aclosing(await MongoStore.open(f"{cluster.mongo.url}/daifu")) as store:
        for some in _slices(orders):
            await asyncio.gather(*(store.insert(order) for order in some))
        opened = {order_id: Page(order_id, token, ports_of(n)) for n, order_id in enumerate(watched)}
        async with living(list(opened.values())):
            bodies = {order.order_id: cluster.notify_body(order.payments[0].out_trade_no) for order in orders}
            yield Load(cluster, store, opened, bodies)


@asynccontextmanager
async def living(pages: Sequence[Page]) -> AsyncIterator[None]:
    """Open the pages some at a time, and have every one of them watch."""
    async with asyncio.TaskGroup() as group:
        lives = []
        for some in _slices(pages):
            lives += [group.create_task(page.live()) for page in some]
            async with asyncio.timeout(PATIENCE_S):
                for page in some:
                    await page.has_state.wait()
        yield
        for life in lives:
            life.cancel()


def an_order(initiator: Person, friend: Person, *, now_ms: int) -> Order:
    """Return an order whose friend pressed pay about when its notify comes: seconds before, as in life."""
    order = new_order(
        order_id=str(ULID()),
        initiator=initiator,
        title="奶茶",
        note="",
        shares=(AMOUNT,),
        now_ms=now_ms,
        expires_at_ms=now_ms + 86_400_000,
    )
    pressed = PaymentStarted(payer=friend, trade_type=TradeType.JSAPI, client_ip="127.0.0.1", lease_ms=120_000)
    return apply(order, pressed, now_ms=now_ms)


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


async def _until_shown(page: Page, rev: int) -> None:
    while page.rev < rev:
        page.has_state.clear()
        await page.has_state.wait()
