"""What became of a call, as a value that can stand in a list beside others."""

from collections.abc import Awaitable

from server.errors import OrderNotFound, StoreError


async def outcome(call: Awaitable[object]) -> object:
    """Return what it returns, or the type of what it raises."""
    try:
        return await call
    except (StoreError, OrderNotFound, UnicodeEncodeError) as error:
        return type(error)
