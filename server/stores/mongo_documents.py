"""
What stands in MongoDB, and how it is read back.

An order's document is the order itself, field by field, so that a person can read it in a shell: `_id` is the order's
id, `initiator.openid` is indexed where it stands, enums are their words. Beside the order stand `due_at_ms`, which is
its earliest effect or the end of a lease on it, absent when nothing is left to do, and `write_id`, which says by which
write it came. Numbers are BSON integers, 64 bits wide as soon as they need it; MongoDB compares and adds them by value,
whatever their width.
"""

from collections.abc import Mapping
from secrets import randbits
from typing import Any, TypeVar

from msgspec import ValidationError, convert, to_builtins

from server.domain.day_stats import Trace
from server.domain.delivery import Delivery
from server.domain.document import Order
from server.domain.notify import Notify
from server.domain.reconciliation import Reconciliation
from server.domain.rewards import Reward
from server.domain.user import User
from server.errors import StoreCorrupt
from server.ports import KeyClaim

T = TypeVar("T")

Document = dict[str, Any]


def order_document(order: Order) -> Document:
    """Return what is kept of this order; the lease of whoever claimed it before is over."""
    fields = to_builtins(order)
    document = {"_id": fields.pop("order_id"), **fields}
    if (due_at_ms := order.due_at_ms) is not None:
        document["due_at_ms"] = due_at_ms
    return document


def stamped(order: Order) -> Document:
    """
    Return the order's document with a number of this very write.

    By it a write is known again whose answer was lost, or whose repeat by the driver was told that somebody was faster:
    a server should know the repeat of a write it has done, but not every one that speaks MongoDB's protocol does.
    """
    return {**order_document(order), "write_id": randbits(63)}


def user_document(user: User) -> Document:
    fields = to_builtins(user)
    # What is empty is written too: a later write compares with it.
    return {"_id": fields.pop("openid"), "avatar": "", "brought_by": "", **fields}


def reward_document(reward: Reward) -> Document:
    fields = to_builtins(reward)
    return {"_id": fields.pop("reward_id"), **fields}


def trace_document(trace: Trace) -> Document:
    return {"_id": trace.trace_id, **to_builtins(trace)}


def read_trace(document: Mapping[str, Any]) -> Trace:
    # Not named by its id: that ends with a whole openid.
    return _convert(document, Trace, "a trace")


def delivery_document(delivery: Delivery) -> Document:
    fields = to_builtins(delivery)
    # What has a default is written too: it is searched for, and compared with.
    return {"_id": fields.pop("delivery_id"), "rev": delivery.rev, "state": delivery.state.value, **fields}


def claim_document(key: str, claim: KeyClaim) -> Document:
    return {"_id": key, **to_builtins(claim)}


def notify_document(notify: Notify) -> Document:
    fields = to_builtins(notify, builtin_types=(bytes,))
    # What is empty is written too: it is searched for.
    return {"_id": fields.pop("notify_id"), "order_id": "", **fields}


def report_document(report: Reconciliation) -> Document:
    fields = to_builtins(report)
    return {"_id": fields.pop("day"), **fields}


def read_order(document: Mapping[str, Any]) -> Order:
    """
    Return the order this document keeps.

    Raises:
        StoreCorrupt: A field is missing or of another type.
    """
    order_id = document["_id"]
    return _convert({**document, "order_id": order_id}, Order, f"order {order_id}")


def read_user(document: Mapping[str, Any]) -> User:
    # Not named by its id: that is a whole openid.
    return _convert({**document, "openid": document["_id"]}, User, "a user")


def read_reward(document: Mapping[str, Any]) -> Reward:
    return _convert({**document, "reward_id": document["_id"]}, Reward, f"reward {document['_id']}")


def read_delivery(document: Mapping[str, Any]) -> Delivery:
    return _convert({**document, "delivery_id": document["_id"]}, Delivery, f"delivery {document['_id']}")


def read_claim(document: Mapping[str, Any]) -> KeyClaim:
    return _convert({"claimed_at_ms": 0, **document}, KeyClaim, "an idempotency key")  # older ones have no time


def read_notify(document: Mapping[str, Any]) -> Notify:
    return _convert({**document, "notify_id": document["_id"]}, Notify, f"notify {document['_id']}")


def read_report(document: Mapping[str, Any]) -> Reconciliation:
    day = document["_id"]
    return _convert({**document, "day": day}, Reconciliation, f"reconciliation of {day}")


def _convert(document: Mapping[str, Any], kind: type[T], what: str) -> T:
    try:
        return convert(document, kind)
    except ValidationError as error:
        raise StoreCorrupt(what) from error
