"""Order ids are ULIDs: 48 bits of time before 80 bits of chance, so that their order is that of their making."""

from typing import Final

from ulid import ULID

_NO_CHANCE: Final = bytes(10)


def first_order_id_at(time_ms: int) -> str:
    """Return the lowest id an order made at this time (Unix ms) can have: a bound for `Store.scan`."""
    return str(ULID.from_bytes(time_ms.to_bytes(6, "big") + _NO_CHANCE))


def order_made_at_ms(order_id: str) -> int:
    """Return the time in this id, Unix milliseconds: when the order was made."""
    return ULID.from_str(order_id).milliseconds
