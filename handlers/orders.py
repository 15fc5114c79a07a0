"""Orders: place one, list mine, read one, close one."""

import secrets
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from ulid import ULID

from handlers.auth import WATCH_TTL_S
from handlers.base import BaseHandler, checked_order_id, is_order_id
from handlers.qr import QR_TYPES, qr_code
from handlers.requests import (
    MAX_NOTE,
    MAX_SHARES,
    MAX_TITLE,
    MAX_TTL_S,
    MIN_TTL_S,
    BadRequest,
    CreateOrder,
    Nothing,
    check_range,
    clean_text,
    read_json,
    whole_number,
)
from server.bus.visits import MAX_VISITORS
from server.domain.day_stats import TraceKind, Visitor
from server.domain.document import OrderState
from server.domain.money import Fen, split_equally
from server.domain.public_order import PublicOrder, public_order
from server.errors import OrderNotFound
from server.usecases.close_order import close_order
from server.usecases.place_order import OrderDraft, place_order
from settings import Settings

MAX_PAGE: Final = 50


class OneOrder(Struct, frozen=True):
    order: PublicOrder


class OrderPage(Struct, frozen=True):
    """`next_before` is the cursor of the next page, null on the last one."""

    orders: list[PublicOrder]
    next_before: str | None


class OrdersHandler(BaseHandler):
    """/api/orders"""

    async def post(self) -> None:
        self.guard_write()
        initiator = self.session().person
        draft = draft_of(read_json(self.request.body, CreateOrder), self.services.settings)
        await self.web.limits.check("orders", initiator.openid)
        order = await place_order(
            draft,
            initiator,
            idempotency=self.idempotency(),
            store=self.services.store,
            clock=self.services.clock,
            new_order_id=lambda: new_order_id(self.services.clock.now_ms()),
        )
        self.set_header("Location", f"/api/orders/{order.order_id}")
        self.answer(OneOrder(public_order(order, initiator.openid)), status=201)

    async def get(self) -> None:
        openid = self.session().person.openid
        before = self.get_query_argument("before", None)
        if before is not None and not is_order_id(before):
            raise BadRequest("before", "not_a_cursor")
        limit = self._limit()
        found = await self.services.store.list_by_initiator(
            openid, before=before, limit=limit + 1, states=self._states()
        )
        orders = [public_order(order, openid) for order in found[:limit]]
        self.answer(OrderPage(orders, orders[-1].order_id if len(found) > limit else None))

    def _states(self) -> Sequence[OrderState]:
        wanted = self.get_query_arguments("state") or tuple(OrderState)
        if not set(wanted) <= set(OrderState):
            raise BadRequest("state", "unsupported")
        return [OrderState(state) for state in wanted]

    def _limit(self) -> int:
        limit = whole_number(self.get_query_argument("limit", "20"), "limit")
        return check_range(limit, "limit", least=1, most=MAX_PAGE)


class CloseHandler(BaseHandler):
    """/api/orders/<id>/close"""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        openid = self.session().person.openid
        services = self.services
        order = await close_order(
            checked_order_id(order_id), openid, store=services.store, bus=services.bus, clock=services.clock
        )
        self.answer(OneOrder(public_order(order, openid)))


class SharedHandler(BaseHandler):
    """/api/orders/<id>/shared: the initiator took the link, says his page. For the statistics only."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        openid = self.session().person.openid
        order = await self.services.store.get(checked_order_id(order_id))
        if openid != order.initiator.openid:
            raise OrderNotFound(order_id)
        self.services.traces.leave(order, TraceKind.SHARED, openid)
        self.set_status(204)


class Visitors(Struct, frozen=True):
    """Who opened the link, who came last first."""

    visitors: Sequence[Visitor]


class VisitorsHandler(BaseHandler):
    """/api/orders/<id>/visitors: who opened the link. For the initiator alone, and no openids."""

    async def get(self, order_id: str) -> None:
        openid = self.session().person.openid
        order = await self.services.store.get(checked_order_id(order_id))
        if openid != order.initiator.openid:
            raise OrderNotFound(order_id)
        self.answer(Visitors(await self.services.stats.visitors(order_id, limit=MAX_VISITORS)))


class WatchToken(Struct, frozen=True):
    token: str
    expires_in_s: int


class WatchTokenHandler(BaseHandler):
    """/api/orders/<id>/watch-token: a bearer token for what watches without cookies, good for this order only."""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        session = self.session()
        await self.services.store.get(checked_order_id(order_id))
        self.answer(WatchToken(self.sessions.watch_token(session, order_id), WATCH_TTL_S), status=201)


class ShareCodeHandler(BaseHandler):
    """/api/orders/<id>/qr.svg: the share link as a QR code."""

    async def get(self, order_id: str) -> None:
        self.visitor()
        link = f"{self.services.settings.origin}/pay/{checked_order_id(order_id)}"
        self.set_header("Content-Type", QR_TYPES["svg"])
        self.set_header("Cache-Control", "private, max-age=86400")
        self.finish(await qr_code(link, "svg"))


def new_order_id(now_ms: int) -> str:
    """
    Return a fresh ULID: the time, and 80 random bits.

    Not `ULID()`: within a millisecond that counts up by one, and the id is what a stranger must not guess.
    """
    return str(ULID(now_ms.to_bytes(6) + secrets.token_bytes(10)))


def draft_of(asked: CreateOrder, settings: Settings, *, merchant_order_no: str = "", earns: bool = True) -> OrderDraft:
    """
    Return the order that is asked for, with what the settings say of every order.

    Args:
        earns: Whether there is anybody to reward for it.

    Raises:
        BadRequest: Names the field that is wrong.
    """
    amount = Fen(check_range(asked.amount, "amount", least=1, most=settings.order_max_amount))
    ttl_s = settings.order_ttl_s if asked.expires_in_s is None else asked.expires_in_s
    return OrderDraft(
        title=clean_text(asked.title, "title", max_length=MAX_TITLE, required=True, lines="one"),
        note=clean_text(asked.note, "note", max_length=MAX_NOTE, required=False, lines="many"),
        shares=shares_of(amount, asked.shares),
        ttl_s=check_range(ttl_s, "expires_in_s", least=MIN_TTL_S, most=MAX_TTL_S),
        merchant_order_no=merchant_order_no,
        earns=earns and bool(settings.reward_initiator_points or settings.reward_payer_points),
        tells_initiator=bool(settings.message_templates),
        tells_merchant=bool(settings.webhook_url),
    )


def shares_of(amount: Fen, shares: int | list[int]) -> tuple[Fen, ...]:
    """
    Return the amounts to ask for: so many equal ones, or the given ones.

    Raises:
        BadRequest: Too many, too small, or not adding up.
    """
    if isinstance(shares, int):
        check_range(shares, "shares", least=1, most=MAX_SHARES)
        if shares > amount:
            raise BadRequest("shares", "shares_too_many")
        return split_equally(amount, shares)
    check_range(len(shares), "shares", least=1, most=MAX_SHARES)
    if any(share < 1 for share in shares):
        raise BadRequest("shares", "shares_too_many")
    if sum(shares) != amount:
        raise BadRequest("shares", "shares_sum")
    return tuple(Fen(share) for share in shares)
