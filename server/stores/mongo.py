"""
Orders in MongoDB: the store of many processes on many machines.

An order is one document and every change one compare-and-set on `{_id, rev}`. What is asked for at the same time goes
as one request (`turn_batch.py`). A write whose answer was lost is looked up, never guessed. How MongoDB is reached is
`mongo_database.py`'s, what a document looks like is `mongo_documents.py`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Final, NamedTuple, Self

import structlog
from bson import encode
from bson.raw_bson import RawBSONDocument
from msgspec import structs
from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import DuplicateKeyError

from server.domain.document import Order, OrderState
from server.domain.rewards import Reward
from server.domain.user import User
from server.errors import ConfigError, DuplicateOrder, OrderNotFound, StoreCorrupt, StoreError, StoreUnavailable
from server.ports import KeyClaim
from server.stores.mongo_database import (
    READ_S,
    WRITE_S,
    Client,
    Collection,
    Database,
    connect,
    database_of,
    delete_some,
    prepare,
    within,
)
from server.stores.mongo_deliveries import MongoDeliveries
from server.stores.mongo_documents import (
    Document,
    claim_document,
    read_claim,
    read_order,
    read_reward,
    read_user,
    reward_document,
    stamped,
    user_document,
)
from server.stores.mongo_journal import MongoJournal
from server.stores.mongo_reconciliations import MongoReconciliations
from server.stores.mongo_turn import MongoTurn
from server.stores.turn_batch import TurnBatch

# These bound how long the first caller of a batch waits for the last one's document. A batch that takes longer than it
# may is lost as a whole, and its work with it: a write takes ten times as long as a read.
READ_BATCH: Final = 100
WRITE_BATCH: Final = 32

# More at once would not be answered sooner: the server has them wait for each other, and we could not refuse any.
READS_UNDER_WAY: Final = 2
WRITES_UNDER_WAY: Final = 1

# While somebody has waited so long for a write, what can be done later is left for later, but not for ever.
CROWDED_S: Final = WRITE_S / 4
LONGEST_STANDING_BACK_S: Final = 5.0

_log = structlog.get_logger(__name__)


class _Replacement(NamedTuple):
    """Encoded by its own caller: a value BSON cannot take must not cost the rest of the batch their write."""

    order_id: str
    was_rev: int
    document: RawBSONDocument


class MongoStore:
    """
    Fills `ports.Store`. Belongs to the event loop it was opened on.

    Args:
        connect: Returns a client that nobody else uses.

    A server that is down at start is waited for, not done without: until it was reached and its indexes are there,
    every method raises StoreUnavailable.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._use(connect())
        self._reads = TurnBatch(self._read_all, patience_s=READ_S, max_size=READ_BATCH, most_under_way=READS_UNDER_WAY)
        self._writes = TurnBatch(
            self._replace_all, patience_s=WRITE_S, max_size=WRITE_BATCH, most_under_way=WRITES_UNDER_WAY
        )
        self._can_bulk_write: bool | None = None  # None until the database is prepared
        self._preparing: asyncio.Task[None] | None = None
        self._farewells: list[asyncio.Task[None]] = []
        self._claiming = asyncio.Lock()
        self._claimed_at_s = 0.0
        self._beats = count()
        self._calls = 0
        self._is_closing = False
        self._no_calls = asyncio.Event()
        self._no_calls.set()

    @classmethod
    async def open(cls, url: str) -> Self:
        """
        Connect to the database the URL names, `daifu` if it names none.

        Raises:
            ConfigError: The URL, the server, the user or an index is refused.
        """
        store = cls(partial(connect, url))
        try:
            await store._prepare()
        except StoreUnavailable as error:
            _log.warning("mongodb_is_down", reason=error.reason)
        except BaseException:
            await store.aclose()
            raise
        return store

    async def insert(self, order: Order) -> None:
        document = stamped(order)
        async with self._call():
            lost: StoreError
            try:
                if await self._insert_one(document):
                    return
                lost = DuplicateOrder(order.order_id)
            except StoreUnavailable as unknown:
                lost = unknown
            there = await self._reads.ask(order.order_id)
            if there is None:
                raise lost  # it may still arrive
            if there.get("write_id") != document["write_id"]:
                raise DuplicateOrder(order.order_id)

    async def get(self, order_id: str) -> Order:
        async with self._call():
            document = await self._reads.ask(order_id)
        if document is None:
            raise OrderNotFound(order_id)
        return read_order(document)

    async def get_many(self, order_ids: Sequence[str]) -> Sequence[Order]:
        async with self._call():
            with within(READ_S):
                documents = await self._find_all(set(order_ids))
        return [order for document in documents for order in _readable(document)]

    async def replace(self, order: Order, *, was_rev: int) -> bool:
        document = stamped(order)
        write = _Replacement(order.order_id, was_rev, RawBSONDocument(encode(document)))
        unknown: StoreUnavailable | None = None
        async with self._call():
            try:
                if await self._writes.ask(write):
                    return True
            except StoreUnavailable as error:
                unknown = error
            there = await self._reads.ask(order.order_id)
        if there is not None and there.get("write_id") == document["write_id"]:
            return True
        if unknown is None or there is None or there["rev"] == order.rev:
            return False  # somebody else took this rev, so ours was never written and never will be
        # At the rev before, ours may still arrive. Beyond ours, it may have been there: nobody can tell any more.
        raise unknown

    async def claim_due(self, now_ms: int, *, lease_ms: int, limit: int) -> Sequence[Order]:
        # Bounded below too: where the bound is missing, some servers walk through every order without a due time.
        due: Document = {"due_at_ms": {"$gte": 0, "$lte": now_ms}}
        # One at a time: two of one process would only race each other for the same earliest orders.
        async with self._call(), self._claiming:
            if self._stands_back():
                return []
            with within(READ_S):
                found = await self._orders.find(due, sort=[("due_at_ms", 1), ("_id", 1)], limit=limit).to_list()
            if not found:
                return []
            claimed = await self._lease_all(found, now_ms + lease_ms)
        return [order for document in claimed for order in _readable(document)]

    def _stands_back(self) -> bool:
        """An overloaded server would be asked for more the later it is: notifies that are late are queried too."""
        now_s = asyncio.get_running_loop().time()
        if self._writes.waiting_s > CROWDED_S and now_s - self._claimed_at_s < LONGEST_STANDING_BACK_S:
            return True
        self._claimed_at_s = now_s
        return False

    async def list_by_initiator(
        self, openid: str, *, before: str | None, limit: int, states: Sequence[OrderState] = tuple(OrderState)
    ) -> Sequence[Order]:
        mine: Document = {"initiator.openid": openid, "state": {"$in": [state.value for state in states]}}
        if before is not None:
            mine["_id"] = {"$lt": before}
        async with self._call():
            with within(READ_S):
                documents = await self._orders.find(mine, sort=[("_id", -1)], limit=limit).to_list()
        return [read_order(document) for document in documents]

    async def scan(self, *, after: str, before: str, limit: int) -> Sequence[Order]:
        orders: list[Order] = []
        async with self._call():
            while wanted := limit - len(orders):
                between = {"_id": {"$gt": after, "$lt": before}}
                with within(READ_S):
                    found = await self._orders.find(between, sort=[("_id", 1)], limit=wanted).to_list()
                orders += [order for document in found for order in _readable(document)]
                if len(found) < wanted:
                    break
                after = found[-1]["_id"]
        return orders

    async def list_orders(self, *, from_id: str, before: str, state: OrderState | None, limit: int) -> Sequence[Order]:
        wanted: Document = {"_id": {"$gte": from_id, "$lt": before}} | ({} if state is None else {"state": state.value})
        async with self._call():
            with within(READ_S):
                documents = await self._orders.find(wanted, sort=[("_id", -1)], limit=limit).to_list()
        return [read_order(document) for document in documents]

    async def claim_key(self, key: str, claim: KeyClaim) -> KeyClaim:
        async with self._call():
            with within(WRITE_S):
                try:
                    await self._database.idempotency.insert_one(claim_document(key, claim))
                except DuplicateKeyError:
                    first = await self._database.idempotency.find_one({"_id": key})
                    return read_claim(first or {})
        return claim

    async def forget_keys(self, *, before_ms: int, limit: int) -> int:
        old: Document = {"claimed_at_ms": {"$lt": before_ms}}
        async with self._call():
            with within(WRITE_S):
                return await delete_some(self._database.idempotency, old, limit)

    def deliveries(self) -> MongoDeliveries:
        """Return the log of webhooks in the same database; it lives as long as this store."""
        return MongoDeliveries(self._collection)

    def journal(self) -> MongoJournal:
        """Return the journal in the same database; it lives as long as this store."""
        return MongoJournal(self._collection)

    async def find_key(self, key: str) -> KeyClaim | None:
        async with self._call():
            with within(READ_S):
                found = await self._database.idempotency.find_one({"_id": key})
        return None if found is None else read_claim(found)

    async def find_user(self, openid: str) -> User | None:
        async with self._call():
            with within(READ_S):
                found = await self._database.users.find_one({"_id": openid})
        return None if found is None else read_user(found)

    async def remember_user(self, user: User) -> User:
        async with self._call():
            with within(WRITE_S):
                try:
                    await self._database.users.insert_one(user_document(user))
                except DuplicateKeyError:
                    return await self._change_user(user.openid, name=user.name, avatar=user.avatar)
        return user

    async def bring_user(self, openid: str, *, brought_by: str) -> None:
        async with self._call():
            with within(WRITE_S):
                if await self._database.users.find_one({"_id": openid}, {"_id": 1}):
                    await self._change_user(openid, brought_by=brought_by)

    async def grant_reward(self, reward: Reward) -> bool:
        async with self._call():
            with within(WRITE_S):
                try:
                    await self._database.rewards.insert_one(reward_document(reward))
                except DuplicateKeyError:
                    return False
        return True

    async def take_back_reward(self, reward_id: str, at_ms: int) -> None:
        async with self._call():
            with within(WRITE_S):
                found = await self._database.rewards.find_one({"_id": reward_id})
                if found is not None and read_reward(found).taken_back_at_ms is None:
                    await self._database.rewards.update_one({"_id": reward_id}, {"$set": {"taken_back_at_ms": at_ms}})

    async def rewards_of(self, openid: str, *, limit: int) -> Sequence[Reward]:
        newest_first = [("at_ms", -1), ("_id", -1)]
        async with self._call():
            with within(READ_S):
                documents = await self._database.rewards.find(
                    {"openid": openid}, sort=newest_first, limit=limit
                ).to_list()
        return [read_reward(document) for document in documents]

    def stats_turn(self) -> MongoTurn:
        """Return what says whose turn it is to add days up, in the same database."""
        return MongoTurn(self._collection)

    def reconciliations(self) -> MongoReconciliations:
        """Return the reports in the same database; they live as long as this store."""
        return MongoReconciliations(self._collection)

    async def ping(self) -> None:
        """Write for real: a server that lost its majority still answers reads."""
        async with self._call():
            with within(WRITE_S):
                await self._database.heartbeat.replace_one({"_id": "daifu"}, {"beats": next(self._beats)}, upsert=True)

    async def aclose(self) -> None:
        self._is_closing = True
        await self._no_calls.wait()
        await asyncio.gather(self._client.close(), *self._farewells)

    @asynccontextmanager
    async def _collection(self, name: str) -> AsyncIterator[Collection]:
        """Lend a collection for one call."""
        async with self._call():
            yield self._database[name]

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Yield the prepared database, for what else is kept in it; `aclose` waits until it is given back."""
        async with self._call():
            yield self._database

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        """Hold off `aclose` until this is over, and see that the database is prepared."""
        if self._is_closing:
            raise StoreUnavailable("closed")
        self._calls += 1
        self._no_calls.clear()
        try:
            if self._can_bulk_write is None:
                await self._prepare_together()
            yield
        except StoreUnavailable:
            self._reconnect_if_forgotten()
            raise
        finally:
            self._calls -= 1
            if not self._calls:
                self._no_calls.set()

    def _use(self, client: Client) -> None:
        self._client = client
        self._database = database_of(client)
        self._orders = self._database.orders

    def _reconnect_if_forgotten(self) -> None:
        """A driver whose every host said once that it is in no replica set forgets them all, for good: begin anew."""
        forgotten = self._client
        if not forgotten.topology_description.server_descriptions():
            self._use(self._connect())
            # Closing takes its time, and our caller has waited enough.
            self._farewells.append(asyncio.create_task(forgotten.close()))

    async def _prepare_together(self) -> None:
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._prepare())
        try:
            await asyncio.shield(self._preparing)
        except ConfigError as error:
            raise StoreUnavailable(str(error)) from error

    async def _prepare(self) -> None:
        self._can_bulk_write = await prepare(self._database)

    async def _read_all(self, order_ids: list[str], within_s: float) -> Sequence[Document | None]:
        with within(within_s):
            if len(order_ids) == 1:
                return [await self._orders.find_one({"_id": order_ids[0]})]
            documents = await self._find_all(set(order_ids))
        by_id = {document["_id"]: document for document in documents}
        return [by_id.get(order_id) for order_id in order_ids]

    async def _find_all(self, order_ids: set[str]) -> list[Document]:
        # Without its size a batch ends at 101 documents, and what is left costs another round.
        return await self._orders.find({"_id": {"$in": list(order_ids)}}, batch_size=len(order_ids) + 1).to_list()

    async def _replace_all(self, writes: list[_Replacement], within_s: float) -> Sequence[bool]:
        with within(within_s):
            if len(writes) == 1:
                return [await self._replace_one(writes[0])]
            if not self._can_bulk_write:  # an older server tells totals only, and a total does not say who lost
                return await asyncio.gather(*map(self._replace_one, writes))
            outcome = await self._client.bulk_write(
                [ReplaceOne(_at(w), w.document, namespace=self._orders.full_name) for w in writes],
                ordered=False,
                verbose_results=True,
            )
        return [outcome.update_results[index].matched_count == 1 for index in range(len(writes))]

    async def _replace_one(self, write: _Replacement) -> bool:
        return (await self._orders.replace_one(_at(write), write.document)).matched_count == 1

    async def _lease_all(self, found: list[Document], until_ms: int) -> list[Document]:
        """
        Return those of these orders whose lease is ours now; another process may have been faster with the others.

        The lease is the due time itself, moved on, and runs out by itself: an answer that is lost costs that long.
        """
        lease = {"$set": {"due_at_ms": until_ms}}
        orders = self._orders
        if self._can_bulk_write:
            with within(WRITE_S):
                outcome = await self._client.bulk_write(
                    [UpdateOne(_as_found(document), lease, namespace=orders.full_name) for document in found],
                    ordered=False,
                    verbose_results=True,
                )
            counts = [outcome.update_results[index].matched_count for index in range(len(found))]
        else:
            with within(WRITE_S):
                results = await asyncio.gather(*(orders.update_one(_as_found(document), lease) for document in found))
            counts = [result.matched_count for result in results]
        return [document for document, count in zip(found, counts, strict=True) if count]

    async def _insert_one(self, document: Document) -> bool:
        with within(WRITE_S):
            try:
                await self._orders.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    async def _change_user(self, openid: str, *, brought_by: str = "", **fields: str) -> User:
        """Compare and set the whole document; who brought him is never written over."""
        users = self._database.users
        while True:
            found = await users.find_one({"_id": openid}) or {"_id": openid}
            known = read_user(found)
            changed = structs.replace(known, brought_by=known.brought_by or brought_by, **fields)
            if changed == known or (await users.replace_one(found, user_document(changed))).matched_count:
                return changed


def _at(write: _Replacement) -> Document:
    return {"_id": write.order_id, "rev": write.was_rev}


def _as_found(document: Document) -> Document:
    """Match the order if nobody changed or claimed it since it was read."""
    return {name: document[name] for name in ("_id", "rev", "due_at_ms")}


def _readable(document: Document) -> list[Order]:
    """One unreadable document must not keep the relay from all others; it is reported again after every lease."""
    try:
        return [read_order(document)]
    except StoreCorrupt:
        _log.exception("order_unreadable", order_id=document["_id"])
        return []
