"""The deliveries in MongoDB: a document is the delivery field by field, under its id."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from pymongo.errors import DuplicateKeyError

from server.domain.delivery import Delivery, DeliveryState
from server.stores.mongo_database import READ_S, WRITE_S, Collection, delete_some, within
from server.stores.mongo_documents import Document, delivery_document, read_delivery

_NEWEST: Final = (("created_at_ms", -1), ("_id", -1))


class MongoDeliveries:
    """
    Fills `ports.Deliveries`.

    Args:
        collection: Lends a collection of the store's database for one call.
    """

    def __init__(self, collection: Callable[[str], AbstractAsyncContextManager[Collection]]) -> None:
        self._collection = collection

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        async with self._collection("deliveries") as collection:
            for delivery in deliveries:
                with within(WRITE_S):
                    try:
                        await collection.insert_one(delivery_document(delivery))
                    except DuplicateKeyError:
                        continue

    async def get(self, delivery_id: str) -> Delivery | None:
        return next(iter(await self._find({"_id": delivery_id}, [("_id", 1)], 1)), None)

    async def due(self, endpoint: str, now_ms: int, *, limit: int) -> Sequence[Delivery]:
        # Not `$lte`: along an index that goes on behind this field, some servers leave out the bound itself.
        due = {"endpoint": endpoint, "due_at_ms": {"$gte": 0, "$lt": now_ms + 1}}
        return await self._find(due, [("due_at_ms", 1), ("_id", 1)], limit)

    async def waiting(self, order_id: str, endpoint: str, *, limit: int) -> Sequence[Delivery]:
        wanted = {"order_id": order_id, "endpoint": endpoint, "due_at_ms": {"$gte": 0}}
        return await self._find(wanted, [("_id", 1)], limit)

    async def replace(self, delivery: Delivery, *, was_rev: int) -> bool:
        async with self._collection("deliveries") as deliveries:
            with within(WRITE_S):
                at = {"_id": delivery.delivery_id, "rev": was_rev}
                return (await deliveries.replace_one(at, delivery_document(delivery))).matched_count == 1

    async def latest(self, *, state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
        wanted: Document = {} if state is None else {"state": state.value}
        return await self._find(wanted, _NEWEST, limit)

    async def of_order(self, order_id: str, *, limit: int) -> Sequence[Delivery]:
        return await self._find({"order_id": order_id}, _NEWEST, limit)

    async def of_endpoint(self, endpoint: str, state: DeliveryState, *, limit: int) -> Sequence[Delivery]:
        return await self._find({"endpoint": endpoint, "state": state.value}, _NEWEST, limit)

    async def count(self, endpoint: str, state: DeliveryState, *, limit: int) -> int:
        async with self._collection("deliveries") as deliveries:
            with within(READ_S):
                return await deliveries.count_documents({"endpoint": endpoint, "state": state.value}, limit=limit)

    async def forget(self, *, before_ms: int, limit: int) -> int:
        async with self._collection("deliveries") as collection:
            with within(WRITE_S):
                return await delete_some(collection, {"created_at_ms": {"$lt": before_ms}}, limit)

    async def _find(self, wanted: Document, order: Sequence[tuple[str, int]], limit: int) -> Sequence[Delivery]:
        async with self._collection("deliveries") as deliveries:
            with within(READ_S):
                documents = await deliveries.find(wanted, sort=order, limit=limit).to_list()
        return [read_delivery(document) for document in documents]
