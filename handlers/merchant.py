"""The merchant API: orders placed, read, closed and refunded by the merchant's own server, with a key of its own."""

import re
from typing import Annotated, Final

from msgspec import Meta, Struct
from ulid import ULID

from handlers.base import BaseHandler, checked_order_id, is_order_id
from handlers.orders import draft_of, new_order_id
from handlers.problems import ApiError
from handlers.refunds import AskRefund
from handlers.requests import BadRequest, CreateOrder, Nothing, check_range, read_json, whole_number
from server.domain.document import Order, OrderState
from server.domain.events import CloseRequested, Person
from server.domain.merchant_key import MerchantKey, Scope, key_behind
from server.domain.merchant_order import MerchantOrder, merchant_order
from server.usecases.change_order import change_order
from server.usecases.merchant_orders import MERCHANT, OrderQuery, find_orders, place_merchant_order
from server.usecases.refund_order import refund_order

MAX_PAGE: Final = 100
MAX_TIME_MS: Final = 2**48 - 1  # what an order's id can hold
AFTER_EVERY_ID: Final = "~"

ORDER_NO: Final = r"[0-9A-Za-z._-]{1,64}"

_ORDER_NO: Final = re.compile(ORDER_NO)


class CreateMerchantOrder(CreateOrder, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    POST /merchant/v1/orders: as people place an order, and under a number of the merchant's own.

    `initiator_openid` is somebody who has logged in here before; without it the merchant itself asks for the money.
    """

    merchant_order_no: Annotated[str, Meta(extra_json_schema={"pattern": f"^{ORDER_NO}$"})]
    initiator_openid: str | None = None


class OneMerchantOrder(Struct, frozen=True):
    order: MerchantOrder


class MerchantOrderPage(Struct, frozen=True):
    """`next_before` is the cursor of the next page, null on the last one."""

    orders: list[MerchantOrder]
    next_before: str | None


class MerchantHandler(BaseHandler):
    """A request of the merchant's own server. It carries a key; sessions and cookies mean nothing here."""

    async def authorize(self, scope: Scope) -> MerchantKey:
        """
        Return the key that was sent.

        Raises:
            ApiError: 401 without a key of ours, 403 if it may not do this, 429 if it asks too often.
        """
        scheme, _, presented = self.request.headers.get("Authorization", "").partition(" ")
        keys = self.services.settings.merchant_keys
        key = key_behind(presented.strip(), keys) if scheme.lower() == "bearer" else None
        if key is None:
            raise ApiError(401, "merchant_key_required")
        if scope not in key.scopes:
            raise ApiError(403, "scope_missing", scope=scope)
        await self.web.limits.check("merchant", key.key_id)
        return key

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        if status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        super().send_problem(status, code, detail)

    def show(self, order: Order, *, status: int = 200) -> None:
        self.answer(OneMerchantOrder(self.view(order)), status=status)

    def view(self, order: Order) -> MerchantOrder:
        return merchant_order(order, self.services.settings.origin)


class MerchantOrdersHandler(MerchantHandler):
    """/merchant/v1/orders"""

    async def post(self) -> None:
        await self.authorize(Scope.ORDERS_WRITE)
        self.guard_write()
        asked = read_json(self.request.body, CreateMerchantOrder)
        initiator = await self._initiator(asked.initiator_openid)
        order = await place_merchant_order(
            draft_of(
                asked,
                self.services.settings,
                merchant_order_no=checked_order_no(asked.merchant_order_no),
                earns=bool(initiator.openid),
            ),
            initiator,
            body=self.request.body,
            idempotency_key=self.idempotency_key(),
            store=self.services.store,
            clock=self.services.clock,
            new_order_id=lambda: new_order_id(self.services.clock.now_ms()),
        )
        self.set_header("Location", f"/merchant/v1/orders/{order.order_id}")
        self.show(order, status=201)

    async def get(self) -> None:
        await self.authorize(Scope.ORDERS_READ)
        query = self._query()
        found = await find_orders(query, self.services.store)
        orders = [self.view(order) for order in found[: query.limit - 1]]
        self.answer(MerchantOrderPage(orders, orders[-1].order_id if len(found) == query.limit else None))

    async def _initiator(self, openid: str | None) -> Person:
        if openid is None:
            return Person("", self.services.settings.merchant_name)
        user = await self.services.store.find_user(openid)
        if user is None:
            raise BadRequest("initiator_openid", "unknown_user")
        return Person(user.openid, user.name, user.avatar)

    def _query(self) -> OrderQuery:
        """Return what is asked for, with room for one more than the page: it says whether there is another page."""
        asked = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        limit = check_range(whole_number(asked.pop("limit", "20"), "limit"), "limit", least=1, most=MAX_PAGE)
        order_no = asked.pop("merchant_order_no", None)
        state = asked.pop("state", None)
        if state is not None and state not in tuple(OrderState):
            raise BadRequest("state", "unsupported")
        before = asked.pop("before", AFTER_EVERY_ID)
        if before != AFTER_EVERY_ID and not is_order_id(before):
            raise BadRequest("before", "not_a_cursor")
        from_id = first_id_at(_time_ms(asked.pop("created_from_ms", "0"), "created_from_ms"))
        if (created_to_ms := asked.pop("created_to_ms", None)) is not None:
            before = min(before, first_id_at(_time_ms(created_to_ms, "created_to_ms")))
        if asked:
            raise BadRequest(ascii(min(asked))[1:-1][:40], "unknown")
        return OrderQuery(
            from_id=from_id,
            before=before,
            state=None if state is None else OrderState(state),
            merchant_order_no=None if order_no is None else checked_order_no(order_no),
            limit=limit + 1,
        )


class MerchantOrderHandler(MerchantHandler):
    """/merchant/v1/orders/<id>"""

    async def get(self, order_id: str) -> None:
        await self.authorize(Scope.ORDERS_READ)
        self.show(await self.services.store.get(checked_order_id(order_id)))


class MerchantCloseHandler(MerchantHandler):
    """/merchant/v1/orders/<id>/close"""

    async def post(self, order_id: str) -> None:
        await self.authorize(Scope.ORDERS_WRITE)
        self.guard_write()
        read_json(self.request.body, Nothing)
        services = self.services
        order = await change_order(
            checked_order_id(order_id),
            CloseRequested(),
            store=services.store,
            bus=services.bus,
            clock=services.clock,
        )
        self.show(order)


class MerchantRefundHandler(MerchantHandler):
    """/merchant/v1/orders/<id>/refund"""

    async def post(self, order_id: str) -> None:
        await self.authorize(Scope.REFUNDS_WRITE)
        self.guard_write()
        idempotency = self.idempotency()
        asked = read_json(self.request.body, AskRefund).wanted(may_take_a_part=idempotency is not None)
        services = self.services
        order = await refund_order(
            checked_order_id(order_id),
            asked,
            MERCHANT,
            idempotency=idempotency,
            store=services.store,
            bus=services.bus,
            clock=services.clock,
        )
        self.show(order)


def checked_order_no(order_no: str) -> str:
    """
    Return the merchant's number.

    Raises:
        BadRequest: It has not the form of one.
    """
    if _ORDER_NO.fullmatch(order_no) is None:
        raise BadRequest("merchant_order_no", "order_no")
    return order_no


def first_id_at(time_ms: int) -> str:
    """Return the smallest id an order can have that was first asked for at this time."""
    return str(ULID(time_ms.to_bytes(6) + bytes(10)))


def _time_ms(text: str, field: str) -> int:
    return check_range(whole_number(text, field), field, least=0, most=MAX_TIME_MS)
