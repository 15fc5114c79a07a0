"""Every store held against the same promises over two dicts, by sequences of operations nobody thought of."""

from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from server.domain.document import Order
from server.errors import DuplicateOrder
from server.ports import Store
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.stores.stored_orders import an_order, changed, order_id


class Insert(Struct, frozen=True):
    number: int
    title: str
    due_at_ms: int


class Replace(Struct, frozen=True):
    number: int
    was_rev: int
    title: str
    due_at_ms: int | None


class Claim(Struct, frozen=True):
    now_ms: int
    lease_ms: int
    limit: int


class ListOrders(Struct, frozen=True):
    openid: str
    before: int | None
    limit: int


Operation = Insert | Replace | Claim | ListOrders

_OPENIDS: Final = ("oMing", "oHong")
_numbers = st.integers(1, 5)
_openids = st.sampled_from(_OPENIDS)
_titles = st.text(max_size=5)
_times_ms = st.integers(0, 50)
_limits = st.integers(1, 4)
_operations = st.lists(
    st.one_of(
        st.builds(Insert, _numbers, _titles, _times_ms),
        st.builds(Replace, _numbers, st.integers(1, 4), _titles, st.none() | _times_ms),
        st.builds(Claim, _times_ms, st.integers(1, 20), _limits),
        st.builds(ListOrders, _openids, st.none() | _numbers, _limits),
    ),
    max_size=40,
)


class Model:
    """The same promises over two dicts."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.due_at_ms: dict[str, int | None] = {}

    def put(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.due_at_ms[order.order_id] = order.due_at_ms

    def do(self, operation: Operation) -> object:
        match operation:
            case Insert(number):
                if order_id(number) in self.orders:
                    return DuplicateOrder
                self.put(inserted(operation))
                return None
            case Replace(number, was_rev):
                if order_id(number) not in self.orders or self.orders[order_id(number)].rev != was_rev:
                    return False
                self.put(successor(operation))
                return True
            case Claim(now_ms, lease_ms, limit):
                due = [(at, id_) for id_, at in self.due_at_ms.items() if at is not None and at <= now_ms]
                claimed = [id_ for _, id_ in sorted(due)[:limit]]
                self.due_at_ms |= dict.fromkeys(claimed, now_ms + lease_ms)
                return [self.orders[id_] for id_ in claimed]
            case ListOrders(openid, before, limit):
                below = order_id(before) if before is not None else "~"
                mine = [o for o in self.orders.values() if o.initiator.openid == openid and o.order_id < below]
                return sorted(mine, key=lambda order: order.order_id, reverse=True)[:limit]


def inserted(operation: Insert) -> Order:
    number = operation.number
    openid = _OPENIDS[number % len(_OPENIDS)]
    return an_order(number, openid=openid, title=operation.title, due_at_ms=operation.due_at_ms)


def successor(operation: Replace) -> Order:
    before = replace(inserted(Insert(operation.number, "", 0)), rev=operation.was_rev)
    return changed(before, title=operation.title, due_at_ms=operation.due_at_ms)


async def do(store: Store, operation: Operation) -> object:
    match operation:
        case Insert():
            try:
                await store.insert(inserted(operation))
            except DuplicateOrder:
                return DuplicateOrder
            return None
        case Replace(was_rev=was_rev):
            return await store.replace(successor(operation), was_rev=was_rev)
        case Claim(now_ms, lease_ms, limit):
            return await store.claim_due(now_ms, lease_ms=lease_ms, limit=limit)
        case ListOrders(openid, before, limit):
            below = order_id(before) if before is not None else None
            return await store.list_by_initiator(openid, before=below, limit=limit)


@every_filling
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=_operations)
async def test_any_sequence_of_operations_ends_as_it_does_in_two_dicts(
    open_store: OpenStore, operations: list[Operation]
) -> None:
    model = Model()
    with TemporaryDirectory() as directory:
        async with aclosing(await open_store(Path(directory))) as store:
            for operation in operations:
                assert await do(store, operation) == model.do(operation)
            await compare(store, model)
        async with aclosing(await open_store(Path(directory))) as store:
            await compare(store, model)


async def compare(store: Store, model: Model) -> None:
    for order in model.orders.values():
        assert await store.get(order.order_id) == order
