"""What WeChat gave for an attempt, so that the friend's client can open the cashier."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from server.domain.events import TradeType

# How long what WeChat gave can be used to begin a payment.  Source: WeChat Pay API v2 and v3, "order".
VALID_FOR_MS: Final[Mapping[TradeType, int]] = {
    TradeType.JSAPI: 2 * 3600 * 1000,
    TradeType.MINIPROGRAM: 2 * 3600 * 1000,
    TradeType.APP: 2 * 3600 * 1000,
    TradeType.NATIVE: 2 * 3600 * 1000,
    TradeType.MWEB: 5 * 60 * 1000,
}


class Prepaid(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Exactly one of the first three is there: `code_url` for NATIVE, `mweb_url` for MWEB, else `prepay_id`.

    It is of no use after `expires_at_ms`.
    """

    prepay_id: str = ""
    code_url: str = ""
    mweb_url: str = ""
    expires_at_ms: int = 0
