"""The initiator gives money back."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from handlers.base import BaseHandler, checked_order_id
from handlers.orders import OneOrder
from handlers.requests import BadRequest, check_range, read_json
from server.domain.events import RefundRequested
from server.domain.money import Fen
from server.domain.public_order import public_order
from server.usecases.refund_order import refund_own_order

MAX_AMOUNT: Final = 10**9


class AskRefund(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    `{}` for the whole order; of one payment with its number; `amount` in fen for less than all that is left.

    Asked for twice, all that is left goes back once; a part would go back twice, so it needs an Idempotency-Key.
    """

    out_trade_no: str | None = None
    amount: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_AMOUNT})] | None = None

    def wanted(self, *, may_take_a_part: bool) -> RefundRequested:
        """
        Args:
            may_take_a_part: An Idempotency-Key was sent: a repeat will be known as one, and gives back nothing more.

        Raises:
            BadRequest: The amount is none, or a part is asked for without a key.
        """
        amount = self.amount
        if amount is not None:
            check_range(amount, "amount", least=1, most=MAX_AMOUNT)
            if not may_take_a_part:
                raise BadRequest("Idempotency-Key", "missing")
        return RefundRequested(out_trade_no=self.out_trade_no, amount=None if amount is None else Fen(amount))


class RefundHandler(BaseHandler):
    """/api/orders/<id>/refund"""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        openid = self.session().person.openid
        idempotency = self.idempotency()
        asked = read_json(self.request.body, AskRefund).wanted(may_take_a_part=idempotency is not None)
        await self.web.limits.check("payments", openid)
        services = self.services
        order = await refund_own_order(
            checked_order_id(order_id),
            asked,
            openid,
            idempotency=idempotency,
            store=services.store,
            bus=services.bus,
            clock=services.clock,
        )
        self.answer(OneOrder(public_order(order, openid)))
