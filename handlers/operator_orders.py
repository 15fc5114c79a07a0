"""One order in the operator's hands: its whole story, and what a person can do when something is stuck."""

from typing import Annotated, Final

import structlog
from msgspec import Meta, Struct

from handlers.base import checked_order_id
from handlers.operator_request import OperatorHandler
from handlers.refunds import AskRefund
from handlers.requests import MAX_NOTE, Nothing, clean_text, read_json
from server.domain.document import Order, order_id_of
from server.domain.operator_order import OperatorOrder, operator_order
from server.errors import UnknownAttempt
from server.usecases.close_order import close_order
from server.usecases.refund_order import refund_order
from server.usecases.retry_effect import retry_effect
from server.usecases.stuck_refund import refund_again, settle_by_hand

# What the API's description says of a note that must not be blank.
SettledNote = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_NOTE})]

OPERATOR: Final = "operator"  # who asks, where an Idempotency-Key belongs to somebody

log = structlog.get_logger()


class OneOperatorOrder(Struct, frozen=True):
    order: OperatorOrder


class _OrderHandler(OperatorHandler):
    async def read_order(self, number: str) -> Order:
        """
        Return the order with this id, or the one a payment's or refund's number belongs to.

        Raises:
            OrderNotFound: There is none.
        """
        return await self.services.store.get(checked_order_id(order_id_of(number.strip().upper())))

    def show(self, order: Order) -> None:
        self.answer(OneOperatorOrder(operator_order(order)))

    def note(self, deed: str, order_id: str) -> None:
        """Whatever a person does by hand can be found in the log."""
        log.info("operator_did", deed=deed, order_id=order_id, address=self.client_ip)


class OperatorOrderHandler(_OrderHandler):
    """/api/admin/orders/<order_id, out_trade_no or out_refund_no>"""

    async def get(self, number: str) -> None:
        self.show(await self.read_order(number))


class Retry(Struct, frozen=True, forbid_unknown_fields=True):
    """Which effect, by its key."""

    effect: str


class RetryHandler(_OrderHandler):
    """/api/admin/orders/<id>/retry: run a parked effect again, now."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        key = read_json(self.request.body, Retry).effect
        services = self.services
        checked_order_id(order_id)
        self.note("retry", order_id)
        self.show(await retry_effect(order_id, key, store=services.store, bus=services.bus, clock=services.clock))


class OperatorCloseHandler(_OrderHandler):
    """/api/admin/orders/<id>/close: as the initiator can."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        openid = (await self.read_order(order_id)).initiator.openid
        services = self.services
        self.note("close", order_id)
        self.show(await close_order(order_id, openid, store=services.store, bus=services.bus, clock=services.clock))


class OperatorRefundHandler(_OrderHandler):
    """/api/admin/orders/<id>/refund: as the initiator can."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        idempotency = self.idempotency()
        asked = read_json(self.request.body, AskRefund).wanted(may_take_a_part=idempotency is not None)
        await self.read_order(order_id)
        services = self.services
        self.note("refund", order_id)
        order = await refund_order(
            order_id,
            asked,
            OPERATOR,
            idempotency=idempotency,
            store=services.store,
            bus=services.bus,
            clock=services.clock,
        )
        self.show(order)


class RefundAgain(Struct, frozen=True, forbid_unknown_fields=True):
    """Which refund, by its number."""

    out_refund_no: str


class RefundAgainHandler(_OrderHandler):
    """/api/admin/orders/<id>/refund-again: a refund that WeChat closed goes back under a new number."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        number = own_refund(read_json(self.request.body, RefundAgain).out_refund_no, order_id)
        services = self.services
        self.note("refund_again", order_id)
        change = await refund_again(
            number, store=services.store, bus=services.bus, gateway=services.gateway, clock=services.clock
        )
        self.show(change.order)


class SettledByHand(Struct, frozen=True, forbid_unknown_fields=True):
    """Which refund, by its number, and how its money went back; the operator's pages alone show the note."""

    out_refund_no: str
    note: SettledNote


class SettledByHandHandler(_OrderHandler):
    """/api/admin/orders/<id>/settled-by-hand: a stuck refund was paid back outside WeChat."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        asked = read_json(self.request.body, SettledByHand)
        note = clean_text(asked.note, "note", max_length=MAX_NOTE, required=True, lines="one")
        number = own_refund(asked.out_refund_no, order_id)
        services = self.services
        self.note("settled_by_hand", order_id)
        change = await settle_by_hand(
            number, note, store=services.store, bus=services.bus, gateway=services.gateway, clock=services.clock
        )
        self.show(change.order)


def own_refund(out_refund_no: str, order_id: str) -> str:
    """
    Return the number if it is one of this order's.

    Raises:
        OrderNotFound, UnknownAttempt: It cannot be.
    """
    if order_id_of(out_refund_no) != checked_order_id(order_id):
        raise UnknownAttempt(out_refund_no)
    return out_refund_no
