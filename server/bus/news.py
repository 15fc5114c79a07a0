"""
What is said on an order's channel: `{"order_id", "rev", "state"}`, state being the whole order document, or
`{"order_id", "rev": 0, "visited": true}` when somebody opened its link.

Bytes in, values out; no connection. A channel may carry anything, so nothing on it is believed before it has the right
shape and speaks of its own channel's order.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from server.domain.document import Order

ORDER_CHANNEL: Final = "daifu:order:"

# Far below Redis's limits for a subscriber that reads slowly; a larger order is read from the store instead.
MAX_NEWS_BYTES: Final = 64 * 1024


class BadNews(Exception):
    """Not one of our messages."""


class News(Struct, frozen=True, omit_defaults=True):
    """
    Order `order_id` is at `rev` now; `state` is its document, still unread, or left out when it is too long.

    Where its link was `visited` nothing is said of the order, and `rev` is 0.
    """

    order_id: str
    rev: int
    state: Raw | UnsetType = UNSET
    visited: bool = False

    def order(self) -> Order | None:
        """
        Return the order, or None if it has to be read from the store.

        Raises:
            BadNews: The document is no order, or another one than was announced.
        """
        if self.state is UNSET:
            return None
        try:
            order = _decode_order(self.state)
        except _UNREADABLE as error:
            raise BadNews from error
        if (order.order_id, order.rev) != (self.order_id, self.rev):
            raise BadNews
        return order


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode: Final = msgspec.json.Encoder().encode
_decode_news: Final = msgspec.json.Decoder(News).decode
_decode_order: Final = msgspec.json.Decoder(Order).decode


def channel_of(order_id: str) -> str:
    return ORDER_CHANNEL + order_id


def write_news(order: Order) -> bytes:
    """Return the message for this state of the order."""
    payload = _encode(News(order.order_id, order.rev, Raw(_encode(order))))
    return payload if len(payload) <= MAX_NEWS_BYTES else _encode(News(order.order_id, order.rev))


def write_visit(order_id: str) -> bytes:
    """Return the message that this order's link was opened."""
    return _encode(News(order_id, 0, visited=True))


def read_news(channel: str, payload: bytes) -> News:
    """
    Read a message that came on this channel; its `order()` is read later, and only if it is news.

    Raises:
        BadNews: It is none of ours, or speaks of another order.
    """
    try:
        news = _decode_news(payload)
    except _UNREADABLE as error:
        raise BadNews from error
    if channel_of(news.order_id) != channel:
        raise BadNews
    return news
