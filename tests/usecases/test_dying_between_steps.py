"""A process that dies between any two steps of a request of the merchant's: the same request again does the rest."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, cast

import pytest
from ulid import ULID

from server.domain.document import Order
from server.domain.events import Person
from server.domain.money import Fen
from server.errors import StoreUnavailable
from server.ports import Store
from server.usecases.idempotency import Idempotency
from server.usecases.merchant_orders import MERCHANT, place_merchant_order
from server.usecases.place_order import OrderDraft
from server.usecases.refund_order import refund_order
from tests.builders import NOW_MS, ORDER_ID, after, an_order, paid, refund_asked, started
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.running import ShiftedClock

pytestmark = every_filling

PATIENCE_S: Final = 60
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
async def store(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with aclosing(await open_store(tmp_path)) as store:
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


async def place(store: Store, key: str | None = "k-1") -> Order:
    return await place_merchant_order(
        DRAFT,
        Person("", "某某奶茶"),
        body=b"{}",
        idempotency_key=key,
        store=store,
        clock=ShiftedClock(),
        new_order_id=lambda: str(ULID()),
    )


async def placed(store: Store) -> list[Order]:
    return list(await store.list_orders(from_id="0", before="~", state=None, limit=9))


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_one_order_is_placed_whatever_died(store: Store, key: str | None) -> None:
    assert await steps_until_done(store, lambda dying: place(dying, key)) >= 2

    assert [await place(store, key)] == await placed(store)


@pytest.mark.parametrize("longest", [1, 3])
async def test_fifty_at_once_are_one_order_though_most_of_them_die_on_their_way(store: Store, longest: int) -> None:
    """Nobody gets further than `longest` steps at first: whoever comes after finds every possible half of an order."""

    async def place_or_die(number: int) -> Order | None:
        dying = cast("Store", DyingStore(store, calls=number % (longest + 1)))
        try:
            return await place(dying)
        except (KilledError, StoreUnavailable):  # fifty at once may be more than the store takes
            return None

    async def place_at_last() -> Order:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(StoreUnavailable):
                    return await place(store)

    before = await asyncio.gather(*(place_or_die(number) for number in range(50)))
    again = await asyncio.gather(*(place_at_last() for _ in range(50)))

    (order,) = await placed(store)
    assert None in before
    assert {each.order_id for each in [*before, *again] if each is not None} == {order.order_id}
    assert all(each == order for each in again)


async def test_a_part_goes_back_once_whatever_died(store: Store) -> None:
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
