"""The journal of notifies in MongoDB: a document each, its body as it came."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
from pymongo.errors import BulkWriteError

from server.domain.notify import Notify, NotifyFilter, notify_id_at
from server.errors import NotifyNotFound, StoreCorrupt
from server.stores.mongo_database import DUPLICATE_KEY, READ_S, WRITE_S, Collection, delete_some, within
from server.stores.mongo_documents import Document, notify_document, read_notify

_NEWEST_FIRST: Final = [("_id", -1)]

_log = structlog.get_logger(__name__)


class MongoJournal:
    """
    Fills `ports.Journal`.

    Args:
        collection: Lends the collection of this name for one call, and holds off the client's end until it is over.
    """

    def __init__(self, collection: Callable[[str], AbstractAsyncContextManager[Collection]]) -> None:
        self._collection = collection

    async def keep(self, notifies: Sequence[Notify]) -> None:
        documents = [notify_document(notify) for notify in notifies]
        async with self._collection("notifies") as collection:
            with within(WRITE_S):
                await _insert(collection, documents)

    async def get(self, notify_id: str) -> Notify:
        async with self._collection("notifies") as collection:
            with within(READ_S):
                document = await collection.find_one({"_id": notify_id})
        if document is None:
            raise NotifyNotFound(notify_id)
        return read_notify(document)

    async def find(self, wanted: NotifyFilter, *, limit: int) -> Sequence[Notify]:
        async with self._collection("notifies") as collection:
            with within(READ_S):
                documents = await collection.find(_fitting(wanted), sort=_NEWEST_FIRST, limit=limit).to_list()
        return [notify for document in documents for notify in _readable(document)]

    async def forget(self, *, before_ms: int, limit: int) -> int:
        async with self._collection("notifies") as collection:
            with within(WRITE_S):
                return await delete_some(collection, {"_id": {"$lt": notify_id_at(before_ms)}}, limit)


async def _insert(collection: Collection, documents: list[Document]) -> None:
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
            raise


def _fitting(wanted: NotifyFilter) -> Document:
    fitting: Document = {}
    if wanted.since_ms is not None:
        fitting["_id"] = {"$gte": notify_id_at(wanted.since_ms)}
    if wanted.verdict is not None:
        fitting["verdict"] = wanted.verdict.value
    if wanted.order_id is not None:
        fitting["order_id"] = wanted.order_id
    return fitting


def _readable(document: Document) -> list[Notify]:
    try:
        return [read_notify(document)]
    except StoreCorrupt:
        _log.exception("notify_unreadable", notify_id=document["_id"])
        return []
