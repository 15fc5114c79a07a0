"""Who tells an initiator of a payment when he does not look, and how it is known whether he looks."""

from dataclasses import dataclass
from typing import Final

from server.domain.document import Order, Payment
from server.official_ports import PaidMessage, Presence
from server.usecases.official_account import OfficialAccount

SOMEBODY: Final = "朋友"  # a payer whose name nobody knows; templates are written in Chinese


@dataclass(frozen=True)
class Teller:
    """`origin` is daifu's address: the message opens the order there."""

    official: OfficialAccount
    presence: Presence
    origin: str

    async def tell(self, order: Order, payment: Payment) -> None:
        """
        Send the message about this payment. Safe to repeat for ten minutes: its number is the payment's.

        Raises:
            WeChatRefused: It will never be sent.
            WeChatUnavailable, StaleToken: Unknown, or not now.
        """
        message = PaidMessage(
            openid=order.initiator.openid,
            url=f"{self.origin}/orders/{order.order_id}",
            client_msg_id=payment.out_trade_no,
            title=order.title,
            payer=payment.payer.name or SOMEBODY,
            amount=payment.amount,
            paid_shares=len(order.held_shares),
            shares=len(order.shares),
            paid_at_ms=payment.paid_at_ms or 0,
        )
        await self.official.send_paid(message)
