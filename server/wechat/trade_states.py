"""What WeChat's `trade_state` means to us; API v2 and v3 use the same words."""

from collections.abc import Mapping
from typing import Final

from server.domain.events import TradeState

UNPAID: Final[Mapping[str, TradeState]] = {
    "NOTPAY": TradeState.NOTPAY,
    "ACCEPT": TradeState.NOTPAY,  # taken on, not debited yet
    "USERPAYING": TradeState.USERPAYING,
    "PAYERROR": TradeState.PAYERROR,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,  # cancelled: nobody can pay it any more
}
PAID: Final = ("SUCCESS", "REFUND")  # a refunded payment was paid
