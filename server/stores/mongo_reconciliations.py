"""
The reports of reconciled days in MongoDB: a document a day.

While somebody is at a day its document holds `claimed_until_ms` and no report.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from pymongo.errors import DuplicateKeyError

from server.domain.reconciliation import Reconciliation
from server.stores.mongo_database import READ_S, WRITE_S, Collection, within
from server.stores.mongo_documents import Document, read_report, report_document

REPORTS: Final[Document] = {"finished_at_ms": {"$gte": 0}}  # what is no mere claim


class MongoReconciliations:
    """
    Fills `ports.Reconciliations`.

    Args:
        collection: Lends the collection of this name for one call, and holds off the client's end until it is over.
    """

    def __init__(self, collection: Callable[[str], AbstractAsyncContextManager[Collection]]) -> None:
        self._collection = collection

    async def claim(self, day: str, *, now_ms: int, lease_ms: int) -> bool:
        claim: Document = {"_id": day, "claimed_until_ms": now_ms + lease_ms}
        async with self._collection("reconciliations") as reconciliations:
            with within(WRITE_S):
                try:
                    await reconciliations.insert_one(claim)
                except DuplicateKeyError:
                    # A report has no such field, so a day that has one is matched by no time.
                    run_out = {"_id": day, "claimed_until_ms": {"$gte": 0, "$lte": now_ms}}
                    return (await reconciliations.replace_one(run_out, claim)).matched_count == 1
        return True

    async def keep(self, report: Reconciliation) -> None:
        async with self._collection("reconciliations") as reconciliations:
            with within(WRITE_S):
                await reconciliations.replace_one({"_id": report.day}, report_document(report), upsert=True)

    async def newest(self, *, limit: int) -> Sequence[Reconciliation]:
        async with self._collection("reconciliations") as reconciliations:
            with within(READ_S):
                documents = await reconciliations.find(REPORTS, sort=[("_id", -1)], limit=limit).to_list()
        return [read_report(document) for document in documents]
