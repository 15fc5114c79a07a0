"""
What is copied from SQLite to MongoDB: a table of each kind, how its rows are read, and what they become.

Roll-ups are not among them: the new server adds the days up anew. Nor is who is at a day's bill just now.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from msgspec import DecodeError, ValidationError, json

from server.domain.day_stats import Trace
from server.domain.document import Order
from server.domain.notify import Notify
from server.domain.rewards import Reward
from server.errors import StoreCorrupt
from server.ports import KeyClaim
from server.stores import sqlite_journal, sqlite_reconciliations
from server.stores.mongo_documents import (
    Document,
    claim_document,
    delivery_document,
    notify_document,
    order_document,
    read_claim,
    read_delivery,
    read_notify,
    read_order,
    read_report,
    read_reward,
    read_trace,
    read_user,
    report_document,
    reward_document,
    trace_document,
    user_document,
)
from server.stores.mongo_reconciliations import REPORTS
from server.stores.sqlite_deliveries import delivery_of
from server.stores.sqlite_people import reward_of, user_of
from server.stores.sqlite_stats import trace_of

Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """
    One table and the collection of the same name. A row begins with its id.

    `page` selects so many rows after an id, in the order of their ids. `read` and `found` make the same value of both
    sides' rows. Of the collection only what matches `there` is of this kind.
    """

    name: str
    count: str
    page: str
    read: Callable[[Row], T]
    write: Callable[[Row], Document]
    found: Callable[[Document], T]
    there: Document = field(default_factory=dict)


def _sqlite_order(row: Row) -> Order:
    order_id, doc = row
    try:
        return json.decode(doc, type=Order)
    except (DecodeError, ValidationError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"order {order_id}") from error


def _sqlite_reward(row: Row) -> Reward:
    try:
        return reward_of(row)
    except ValueError as error:  # a kind nobody knows
        raise StoreCorrupt(f"reward {row[0]}") from error


def _sqlite_trace(row: Row) -> Trace:
    try:
        return trace_of(row)
    except ValueError as error:  # a kind nobody knows
        raise StoreCorrupt(f"a trace of order {row[1]}") from error


def _sqlite_claim(row: Row) -> KeyClaim:
    return KeyClaim(order_id=row[1], body_sha256=row[2], claimed_at_ms=row[3])


def _sqlite_notify(row: Row) -> Notify:
    return sqlite_journal.notify_of(*row)


KINDS: Final[tuple[Kind[Any], ...]] = (
    Kind(
        name="orders",
        count="SELECT count(*) FROM orders",
        page="SELECT order_id, doc FROM orders WHERE order_id > ? ORDER BY order_id LIMIT ?",
        read=_sqlite_order,
        write=lambda row: order_document(_sqlite_order(row)),
        found=read_order,
    ),
    Kind(
        name="users",
        count="SELECT count(*) FROM users",
        page=(
            "SELECT openid, name, avatar, first_seen_ms, brought_by FROM users WHERE openid > ? ORDER BY openid LIMIT ?"
        ),
        read=user_of,
        write=lambda row: user_document(user_of(row)),
        found=read_user,
    ),
    Kind(
        name="rewards",
        count="SELECT count(*) FROM rewards",
        page=(
            "SELECT reward_id, openid, kind, points, order_id, at_ms, taken_back_at_ms FROM rewards"
            " WHERE reward_id > ? ORDER BY reward_id LIMIT ?"
        ),
        read=_sqlite_reward,
        write=lambda row: reward_document(_sqlite_reward(row)),
        found=read_reward,
    ),
    Kind(
        name="deliveries",
        count="SELECT count(*) FROM deliveries",
        page="SELECT delivery_id, doc FROM deliveries WHERE delivery_id > ? ORDER BY delivery_id LIMIT ?",
        read=delivery_of,
        write=lambda row: delivery_document(delivery_of(row)),
        found=read_delivery,
    ),
    Kind(
        name="idempotency",
        count="SELECT count(*) FROM idempotency",
        page="SELECT key, order_id, body_sha256, claimed_at_ms FROM idempotency WHERE key > ? ORDER BY key LIMIT ?",
        read=_sqlite_claim,
        write=lambda row: claim_document(row[0], _sqlite_claim(row)),
        found=read_claim,
    ),
    Kind(
        name="traces",
        count="SELECT count(*) FROM traces",
        page=(
            "SELECT trace_id, order_id, kind, openid, at_ms FROM traces WHERE trace_id > ? ORDER BY trace_id LIMIT ?"
        ),
        read=_sqlite_trace,
        write=lambda row: trace_document(_sqlite_trace(row)),
        found=read_trace,
    ),
    Kind(
        name="notifies",
        count="SELECT count(*) FROM notifies",
        page="SELECT notify_id, doc FROM notifies WHERE notify_id > ? ORDER BY notify_id LIMIT ?",
        read=_sqlite_notify,
        write=lambda row: notify_document(_sqlite_notify(row)),
        found=read_notify,
    ),
    Kind(
        name="reconciliations",
        count="SELECT count(*) FROM reconciliations WHERE doc IS NOT NULL",
        page="SELECT day, doc FROM reconciliations WHERE day > ? AND doc IS NOT NULL ORDER BY day LIMIT ?",
        read=lambda row: sqlite_reconciliations.report_of(*row),
        write=lambda row: report_document(sqlite_reconciliations.report_of(*row)),
        found=read_report,
        there=REPORTS,
    ),
)
