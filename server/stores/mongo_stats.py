"""The statistics in MongoDB: traces, roll-ups, and what they ask of users and orders."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import ValidationError, convert, to_builtins
from pymongo.errors import DuplicateKeyError

from server.domain.day_stats import DayStats, Trace, TraceKind, Visitor
from server.errors import StoreCorrupt
from server.ports import MAX_TRACES
from server.stores.mongo import MongoStore
from server.stores.mongo_database import READ_S, WRITE_S, within
from server.stores.mongo_documents import Document, trace_document

# Nobody waits for these: they belong to a job that goes through days, or to a report.
PATIENCE_S: Final = 10.0


class MongoStats:
    """Fills `ports.StatsStore` in the database of this store, and ends with it."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store

    async def leave_trace(self, trace: Trace) -> None:
        of_order = _of_orders(trace.order_id, trace.order_id)
        async with self._store.database() as database:
            with within(WRITE_S):
                if await database.traces.count_documents(of_order, limit=MAX_TRACES) < MAX_TRACES:
                    try:
                        await database.traces.insert_one(trace_document(trace))
                    except DuplicateKeyError:
                        return

    async def traces(self, *, first: str, last: str) -> Mapping[str, frozenset[TraceKind]]:
        found: defaultdict[str, set[TraceKind]] = defaultdict(set)
        async with self._store.database() as database:
            with within(PATIENCE_S):
                for trace in await database.traces.find(_of_orders(first, last)).to_list():
                    found[trace["order_id"]].add(TraceKind(trace["kind"]))
        return {order_id: frozenset(kinds) for order_id, kinds in found.items()}

    async def visitors(self, order_id: str, *, limit: int) -> Sequence[Visitor]:
        opened = {**_of_orders(order_id, order_id), "kind": TraceKind.OPENED.value}
        async with self._store.database() as database:
            with within(READ_S):
                traces = await database.traces.find(opened, sort=[("at_ms", -1), ("_id", -1)], limit=limit).to_list()
                if not traces:
                    return []
                theirs = {"_id": {"$in": [trace["openid"] for trace in traces]}}
                users = {user["_id"]: user for user in await database.users.find(theirs).to_list()}
        known = [(users[trace["openid"]], trace) for trace in traces if trace["openid"] in users]
        return [Visitor(user["name"], user["avatar"], trace["at_ms"]) for user, trace in known]

    async def last_orders(self, openids: Collection[str], *, before: str) -> Mapping[str, str]:
        theirs: list[Document] = [
            {"$match": {"initiator.openid": {"$in": list(openids)}, "_id": {"$lt": before}}},
            {"$group": {"_id": "$initiator.openid", "last": {"$max": "$_id"}}},
        ]
        async with self._store.database() as database:
            with within(PATIENCE_S):
                found = await (await database.orders.aggregate(theirs)).to_list()
        return {document["_id"]: document["last"] for document in found}

    async def unbrought(self, openids: Collection[str]) -> Mapping[str, int]:
        theirs = {"_id": {"$in": list(openids)}, "brought_by": ""}
        async with self._store.database() as database:
            with within(PATIENCE_S):
                found = await database.users.find(theirs, {"first_seen_ms": 1}).to_list()
        return {document["_id"]: document["first_seen_ms"] for document in found}

    async def count_newcomers(self, *, from_ms: int, before_ms: int) -> int:
        brought = {"first_seen_ms": {"$gte": from_ms, "$lt": before_ms}, "brought_by": {"$gt": ""}}
        async with self._store.database() as database:
            with within(PATIENCE_S):
                return await database.users.count_documents(brought)

    async def keep_rollup(self, rollup: DayStats) -> None:
        document = {"_id": rollup.day, **to_builtins(rollup)}
        older = {"_id": rollup.day, "as_of_ms": {"$lte": rollup.as_of_ms}}
        async with self._store.database() as database:
            with within(PATIENCE_S):
                try:
                    await database.rollups.replace_one(older, document, upsert=True)
                except DuplicateKeyError:
                    return  # the one there is newer

    async def rollups(self, *, first: str, last: str) -> Sequence[DayStats]:
        async with self._store.database() as database:
            with within(PATIENCE_S):
                found = await database.rollups.find({"_id": {"$gte": first, "$lte": last}}, sort=[("_id", 1)]).to_list()
        return [_rollup(document) for document in found]


def _of_orders(first: str, last: str) -> Document:
    """Match the traces of these orders by their ids alone, which no index has to be made for."""
    return {"_id": {"$gte": f"{first}:", "$lt": f"{last};"}}  # ";" is the character after ":"


def _rollup(document: Document) -> DayStats:
    try:
        return convert(document, DayStats)
    except ValidationError as error:
        raise StoreCorrupt(f"the statistics of {document['_id']}") from error
