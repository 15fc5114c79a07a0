"""Who tells an initiator of a payment when he does not look, and how it is known whether he looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from server.domain.document import Order, Payment
from server.errors import WeChatRefused
from server.official_ports import PaidMessage, Presence, Template
from server.usecases.official_account import OfficialAccount

log = structlog.get_logger()

SOMEBODY: Final = "朋友"  # a payer whose name nobody knows; templates are written in Chinese


class Way(NamedTuple):
    """One way to reach somebody: a template, and the account or mini-program it belongs to."""

    account: OfficialAccount
    template: Template


@dataclass(frozen=True)
class Teller:
    """`ways`, at least one, are tried in their order. `origin` is daifu's address: messages open the order there."""

    ways: Sequence[Way]
    presence: Presence
    origin: str

    async def tell(self, order: Order, payment: Payment) -> None:
        """
        Send the message about this payment by the first way that WeChat takes: nobody here knows whether he follows
        the account, what he agreed to, or whether his openid is the mini-program's. Safe to repeat for ten minutes: its
        number is the payment's.

        Raises:
            WeChatRefused: It will never be sent; what the last way was refused for.
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
        *others, last = self.ways
        for way in others:
            try:
                return await way.account.send_paid(message, way.template)
            except WeChatRefused as refused:
                log.info("message_other_way", order_id=order.order_id, kind=way.template.kind, code=refused.code)
        return await last.account.send_paid(message, last.template)
