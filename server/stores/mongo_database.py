"""
The way to MongoDB: how it is reached, how long anybody waits for it, what must be there, what its errors mean here.

Everything that decides whether an acknowledged payment can be lost stands in `connect`, where no URL can weaken it.
"""

import asyncio
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pymongo
from bson.errors import InvalidBSON
from pymongo import AsyncMongoClient, IndexModel
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError
from pymongo.monitoring import CommandListener

from server.errors import ConfigError, StoreCorrupt, StoreUnavailable
from server.stores.mongo_documents import Document

Client = AsyncMongoClient[Document]
Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]

DEFAULT_DATABASE: Final = "daifu"

# A notify is answered within 3 s: one read, one write and, if its outcome is unknown, one read of what became of it.
READ_S: Final = 0.8
WRITE_S: Final = 1.2

# How often every server is asked whether it is the primary. After a change of primary nothing is written before the
# next answer: half a second, the least the driver knows, leaves room for a second try within WRITE_S.
HEARTBEAT_MS: Final = 500

ORDER_INDEXES: Final = (
    IndexModel([("initiator.openid", 1), ("_id", 1)], name="orders_by_initiator"),
    IndexModel([("due_at_ms", 1), ("_id", 1)], name="orders_due"),
    IndexModel([("state", 1), ("_id", 1)], name="orders_by_state"),
)

DELIVERY_INDEXES: Final = (
    IndexModel([("endpoint", 1), ("due_at_ms", 1), ("_id", 1)], name="deliveries_due"),
    IndexModel([("order_id", 1), ("endpoint", 1), ("_id", 1)], name="deliveries_of_order"),
    IndexModel([("created_at_ms", -1), ("_id", -1)], name="deliveries_by_age"),
    IndexModel([("endpoint", 1), ("state", 1), ("created_at_ms", -1), ("_id", -1)], name="deliveries_by_state"),
)

USER_INDEXES: Final = (IndexModel([("first_seen_ms", 1), ("brought_by", 1)], name="users_by_first_seen"),)

REWARD_INDEXES: Final = (IndexModel([("openid", 1), ("at_ms", -1), ("_id", -1)], name="rewards_by_openid"),)

NOTIFY_INDEXES: Final = (IndexModel([("order_id", 1), ("_id", 1)], name="notifies_by_order"),)

KEY_INDEXES: Final = (IndexModel([("claimed_at_ms", 1)], name="idempotency_by_time"),)

INDEXES: Final[Mapping[str, Sequence[IndexModel]]] = {
    "orders": ORDER_INDEXES,
    "rewards": REWARD_INDEXES,
    "notifies": NOTIFY_INDEXES,
    "idempotency": KEY_INDEXES,
    "users": USER_INDEXES,
    "deliveries": DELIVERY_INDEXES,
}

DUPLICATE_KEY: Final = 11000

BULK_WRITE_SINCE: Final = 25  # maxWireVersion of MongoDB 8.0, whose bulk command tells each write's outcome
FORBIDDEN: Final = frozenset({13, 18, 8000})  # Unauthorized, AuthenticationFailed, and Atlas' own word for both
_INDEX_CONFLICT: Final = frozenset({67, 85, 86})  # CannotCreateIndex, IndexOptionsConflict, IndexKeySpecsConflict


def connect(url: str, *, listeners: Sequence[CommandListener] = ()) -> Client:
    """
    Return a client; it connects by itself, and again, when it is used.

    Args:
        listeners: Are told of every command.

    Raises:
        ConfigError: The URL cannot be read. It is never quoted: it holds a password.
    """
    try:
        with warnings.catch_warnings():
            # The driver warns of an option it does not know, and goes on without it.
            warnings.simplefilter("error", UserWarning)
            return _client(url, listeners)
    except (ConfigurationError, InvalidURI, ValueError, TypeError, UserWarning):
        raise ConfigError(
            "MONGODB_URL cannot be read: write mongodb://user:password@host1,host2/daifu?replicaSet=…"
        ) from None  # the driver's own words may quote the password


def _client(url: str, listeners: Sequence[CommandListener]) -> Client:
    return AsyncMongoClient(
        url,
        appname="daifu",
        event_listeners=listeners,
        w="majority",
        journal=True,
        retryWrites=True,
        retryReads=True,
        readPreference="primary",
        # What is read decides what is acknowledged: another process's write that a majority does not hold yet may
        # be rolled back after we said SUCCESS to a repeat of its notify.
        readConcernLevel="majority",
        serverSelectionTimeoutMS=int(WRITE_S * 1000),
        connectTimeoutMS=int(WRITE_S * 1000),
        heartbeatFrequencyMS=HEARTBEAT_MS,
        # Asked at every beat, and at once when a request failed. To be told instead takes a second connection to each
        # server, and a server that tells.
        serverMonitoringMode="poll",
    )


def database_of(client: Client) -> Database:
    """Return the database the URL named."""
    return client.get_default_database(DEFAULT_DATABASE)


async def prepare(database: Database) -> bool:
    """
    Make the indexes that are missing; return whether many writes may go as one and still each tell its outcome.

    Raises:
        ConfigError: This server or user will not do, or an index of ours is there with another meaning.
        StoreUnavailable: No answer.
    """
    try:
        with within(WRITE_S):
            hello = await database.client.admin.command("hello")
            if "setName" not in hello and hello.get("msg") != "isdbgrid":
                raise ConfigError("MONGODB_URL names a lone server: daifu needs a replica set (of one, at least)")
            await asyncio.gather(*(database[name].create_indexes(list(indexes)) for name, indexes in INDEXES.items()))
    except StoreUnavailable as error:
        raise _refusal(database.name, error.__cause__) or error from error.__cause__
    return bool(hello.get("maxWireVersion", 0) >= BULK_WRITE_SINCE)


async def delete_some(collection: Collection, wanted: Document, limit: int) -> int:
    """Delete up to `limit` of the documents that fit, so that no single call takes long; return how many it were."""
    found = await collection.find(wanted, {"_id": 1}, limit=limit, batch_size=limit + 1).to_list()
    if not found:
        return 0
    deleted = await collection.delete_many({"_id": {"$in": [document["_id"] for document in found]}})
    return deleted.deleted_count


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """
    Give the driver so long for what is done inside, all its own retries included, and make its errors ours.

    Raises:
        StoreUnavailable: Anything went wrong; whether a write happened is unknown.
        StoreCorrupt: The answer is no BSON.
    """
    try:
        with pymongo.timeout(seconds):
            yield
    except PyMongoError as error:
        raise StoreUnavailable(_reason(error)) from error
    except InvalidBSON as error:
        raise StoreCorrupt("an answer of MongoDB") from error


def _reason(error: PyMongoError) -> str:
    """Return a short word for logs; the driver's sentences hold host names and documents."""
    details: Any = getattr(error, "details", None)
    name = details.get("codeName") if isinstance(details, dict) else None
    return name or type(error).__name__


def _refusal(database: str, error: BaseException | None) -> ConfigError | None:
    """Say what a person has to put right, if that is what it takes."""
    if not isinstance(error, OperationFailure):
        return None
    if error.code in FORBIDDEN:
        return ConfigError(f"MONGODB_URL: this user may not use the database {database}: grant him readWrite on it")
    if error.code in _INDEX_CONFLICT:
        indexes = [index for each in INDEXES.values() for index in each]
        names = " or ".join(str(index.document["name"]) for index in indexes)
        return ConfigError(f"MongoDB has another index in place of {names} in {database}: drop it")
    return None
