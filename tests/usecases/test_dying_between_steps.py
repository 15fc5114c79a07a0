"""A process that dies between any two steps of a request of the merchant's: the same request again does the rest."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from ulid import ULID

from server.domain.document import Order
from server.domain.events import Person
from server.domain.money import Fen
from server.ports import Store
from server.stores.sqlite import SqliteStore
from server.usecases.idempotency import Idempotency
from server.usecases.merchant_orders import MERCHANT, place_merchant_order
from server.usecases.place_order import OrderDraft
from server.usecases.refund_order import refund_order
from tests.builders import NOW_MS, ORDER_ID, after, an_order, paid, refund_asked, started
from tests.running import ShiftedClock

DRAFT = OrderDraft(title="奶茶", note="", shares=(Fen(100),), ttl_s=600, earns=False, merchant_order_no="A-1")


class KilledError(BaseException):
    """What a process sees of kill -9, as far as it sees anything."""


class DyingStore:
    """The store of a process that dies once so many calls of its were done."""

    def __init__(self, store: Store, *, calls: int) -> None:
        self._store = store
        self._left = calls

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **named: Any) -> Any:
            if not self._left:
                raise KilledError
            self._left -= 1
            return await getattr(self._store, name)(*args, **named)

        return call


class Silence:
    """A bus nobody listens to."""

    async def publish(self, order: Order) -> None:
        pass

    async def publish_visit(self, order_id: str) -> None:
        pass

    is_deaf = False

    async def aclose(self) -> None:
        pass


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        yield store


async def steps_until_done(store: Store, request: Callable[[Store], Awaitable[Order]]) -> int:
    """Make the request again and again, each time with one more step before the end; return how many it takes."""
    for calls in range(10):
        try:
            await request(cast("Store", DyingStore(store, calls=calls)))
        except KilledError:
            continue
        return calls
    raise AssertionError


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_one_order_is_placed_whatever_died(store: SqliteStore, key: str | None) -> None:
    async def place(store: Store) -> Order:
        return await place_merchant_order(
            DRAFT,
            Person("", "某某奶茶"),
            body=b"{}",
            idempotency_key=key,
            store=store,
            clock=ShiftedClock(),
            new_order_id=lambda: str(ULID()),
        )

    assert await steps_until_done(store, place) >= 2

    orders = await store.list_orders(from_id="0", before="~", state=None, limit=9)
    assert [await place(store)] == list(orders)


async def test_a_part_goes_back_once_whatever_died(store: SqliteStore) -> None:
    await store.insert(an_order(order_id=ORDER_ID))
    await store.replace(after(an_order(), started(), paid(), now_ms=NOW_MS), was_rev=1)

    async def give_back(store: Store) -> Order:
        return await refund_order(
            ORDER_ID,
            refund_asked(amount=30),
            MERCHANT,
            idempotency=Idempotency("r-1", b"{}"),
            store=store,
            bus=Silence(),
            clock=ShiftedClock(),
        )

    assert await steps_until_done(store, give_back) >= 4

    assert [refund.amount for refund in (await give_back(store)).payments[0].refunds] == [30]
