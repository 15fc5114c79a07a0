"""Whose turn it is to add days up, in MongoDB: one document with a lease, and one for each day somebody heard of."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Final

from pymongo.errors import BulkWriteError, DuplicateKeyError

from server.stores import mongo_database
from server.stores.mongo_database import READ_S, WRITE_S, within
from server.stores.mongo_documents import Document

_STATS: Final = "stats"


class MongoTurn:
    """
    Fills `ports.StatsTurn`.

    Args:
        collection: Lends the collection of this name for one call, and holds off the client's end until it is over.
    """

    def __init__(self, collection: Callable[[str], AbstractAsyncContextManager[mongo_database.Collection]]) -> None:
        self._collection = collection

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> bool:
        mine: Document = {"_id": _STATS, "holder": holder, "until_ms": now_ms + lease_ms}
        async with self._collection("turns") as turns:
            with within(READ_S):
                seen = await turns.find_one({"_id": _STATS})
            if seen is not None and seen["holder"] != holder and seen["until_ms"] > now_ms:
                return False
            with within(WRITE_S):
                if seen is not None:
                    return (await turns.replace_one(seen, mine)).matched_count == 1  # nobody was faster
                try:
                    await turns.insert_one(mine)
                except DuplicateKeyError:
                    return False
        return True

    async def give_back(self, holder: str) -> None:
        async with self._collection("turns") as turns:
            with within(WRITE_S):
                await turns.delete_one({"_id": _STATS, "holder": holder})

    async def tell(self, days: Collection[str]) -> None:
        documents: list[Document] = [{"_id": day} for day in days]
        async with self._collection("changed_days") as changed_days:
            with within(WRITE_S):
                try:
                    await changed_days.insert_many(documents, ordered=False)
                except BulkWriteError as error:
                    # Some are told already, and the one whose turn it is has yet to hear it.
                    if any(failed["code"] != mongo_database.DUPLICATE_KEY for failed in error.details["writeErrors"]):
                        raise

    async def told(self) -> frozenset[str]:
        async with self._collection("changed_days") as changed_days:
            with within(READ_S):
                days = frozenset([document["_id"] for document in await changed_days.find().to_list()])
            if days:
                with within(WRITE_S):  # what is told between the two calls is added up after both
                    await changed_days.delete_many({"_id": {"$in": list(days)}})
        return days
