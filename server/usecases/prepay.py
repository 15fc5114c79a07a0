"""What opens the cashier for an attempt: kept for a while, else ordered again under the same number."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from server.domain.document import Order, Payment, find_attempt, order_id_of
from server.domain.events import TradeType
from server.domain.prepaid import VALID_FOR_MS, Prepaid
from server.errors import OrderNotFound, OrderNotPayable, UnknownAttempt
from server.ports import Cache, Clock, PayGateway, Store

# Whoever gets it from here must have time left to use it. A code is kept longer: a fresh one would end the old one,
# which somebody may be holding his camera at. A link is good for one trip to the cashier.
KEEP_FOR_S: Final[Mapping[TradeType, int]] = {
    TradeType.JSAPI: 600,
    TradeType.MINIPROGRAM: 600,
    TradeType.APP: 600,
    TradeType.NATIVE: 3600,
    TradeType.MWEB: 60,
}


async def prepay(order: Order, payment: Payment, *, cache: Cache, gateway: PayGateway, clock: Clock) -> Prepaid:
    """
    Return what opens the cashier for this attempt, and until when it does.

    Raises:
        WeChatUnavailable, WeChatRefused: As for `PayGateway.prepay`.
    """
    key = f"prepay:{payment.out_trade_no}"
    kept = _read(await cache.get(key))
    if kept is not None:
        return kept
    expires_at_ms = min(payment.expires_at_ms, clock.now_ms() + VALID_FOR_MS[payment.trade_type])
    given = replace(await gateway.prepay(order, payment), expires_at_ms=expires_at_ms)
    left_s = (expires_at_ms - clock.now_ms()) // 1000
    if left_s > 0:
        ttl_s = min(KEEP_FOR_S[payment.trade_type], left_s)
        await cache.put(key, msgspec.json.encode(given).decode(), ttl_s=ttl_s)
    return given


async def code_of(
    out_trade_no: str, openid: str, *, store: Store, cache: Cache, gateway: PayGateway, clock: Clock
) -> Prepaid:
    """
    Return the code of this friend's NATIVE attempt, as `start_payment` gave it or renewed.

    Raises:
        OrderNotFound: No such attempt, not his, or not one that is paid by a code.
        OrderNotPayable: Nobody can pay it any more.
        WeChatUnavailable, WeChatRefused: As for `PayGateway.prepay`.
    """
    order = await store.get(order_id_of(out_trade_no))
    try:
        payment = find_attempt(order, out_trade_no)
    except UnknownAttempt as unknown:
        raise OrderNotFound(order.order_id) from unknown
    if payment.payer.openid != openid or payment.trade_type is not TradeType.NATIVE:
        raise OrderNotFound(order.order_id)
    if not payment.is_open:
        raise OrderNotPayable(order.order_id, payment.trade_state)
    if payment.expires_at_ms <= clock.now_ms():
        raise OrderNotPayable(order.order_id, "EXPIRED")
    return await prepay(order, payment, cache=cache, gateway=gateway, clock=clock)


def _read(kept: str | None) -> Prepaid | None:
    """Read what the cache has; what another version wrote there is worth no more than nothing."""
    try:
        return None if kept is None else msgspec.json.decode(kept, type=Prepaid)
    except msgspec.DecodeError:
        return None
