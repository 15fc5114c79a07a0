"""A friend's payment: start it, confirm it when the cashier is done, give the share back when he left."""

import secrets

from msgspec import Struct

from handlers.base import BaseHandler, checked_order_id
from handlers.qr import QR_TYPES, qr_code
from handlers.requests import Nothing, StartPayment, read_json
from handlers.scenes import usable
from server.domain.document import Order, Payment, find_attempt, order_id_of
from server.domain.events import PayApi, PaymentStarted, Person, TradeState
from server.domain.money import Fen
from server.domain.public_order import PublicOrder, public_order
from server.errors import OrderNotFound
from server.usecases.confirm_payment import confirm_payment, release_payment
from server.usecases.prepay import code_of
from server.usecases.start_payment import start_payment


class OwnPayment(Struct, frozen=True, kw_only=True):
    """A friend's own attempt; amount in fen, times in Unix milliseconds."""

    out_trade_no: str
    amount: Fen
    share: int | None
    trade_type: str
    trade_state: TradeState
    lease_until_ms: int
    expires_at_ms: int


class Started(Struct, frozen=True):
    """
    `params` go to WeChat's client as they are; for NATIVE they are the code to show, for MWEB the link to open, each
    with the moment it ends.
    """

    payment: OwnPayment
    params: dict[str, str | int]
    order: PublicOrder


class Confirmed(Struct, frozen=True):
    order: PublicOrder
    trade_state: TradeState


class PaymentHandler(BaseHandler):
    """A request about one's own payment, from somebody who logged in or from a guest."""

    async def check_limit(self, payer: Person) -> None:
        """
        Count one more. A guest can be a new one each time, so his address counts.

        Raises:
            ApiError: 429.
        """
        if payer.is_guest:
            await self.web.limits.check("guest_payments", self.client_ip)
        else:
            await self.web.limits.check("payments", payer.openid)


class PaymentsHandler(PaymentHandler):
    """/api/orders/<id>/payments"""

    async def post(self, order_id: str) -> None:
        self.guard_write()
        payer = self.visitor().person
        asked = read_json(self.request.body, StartPayment)
        await self.check_limit(payer)
        services = self.services
        started = await start_payment(
            checked_order_id(order_id),
            PaymentStarted(
                payer=payer,
                trade_type=asked.wanted(usable(services.gateway.trade_types, payer)),
                client_ip=self.client_ip,
                lease_ms=services.settings.pay_lease_s * 1000,
                api=PayApi(services.settings.wechat_api),
            ),
            store=services.store,
            bus=services.bus,
            cache=services.cache,
            gateway=services.gateway,
            clock=services.clock,
        )
        params = services.gateway.client_params(
            started.payment,
            started.prepaid,
            return_url=f"{services.settings.origin}/pay/{order_id}",
            now_s=services.clock.now_ms() // 1000,
            nonce=secrets.token_hex(16),
        )
        view = public_order(started.order, payer.openid)
        self.answer(Started(_own(started.payment), params, view), status=201)


class ConfirmHandler(PaymentHandler):
    """/api/orders/<id>/payments/<out_trade_no>/confirm: the page says "ok"; WeChat is asked."""

    async def post(self, order_id: str, out_trade_no: str) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        payer = self.visitor().person
        await self.check_limit(payer)
        services = self.services
        order = await confirm_payment(
            _belonging(out_trade_no, order_id),
            payer.openid,
            store=services.store,
            bus=services.bus,
            gateway=services.gateway,
            clock=services.clock,
        )
        self.answer(_confirmed(order, out_trade_no, payer.openid))


class CancelHandler(BaseHandler):
    """/api/orders/<id>/payments/<out_trade_no>/cancel: the friend left the cashier."""

    async def post(self, order_id: str, out_trade_no: str) -> None:
        self.guard_write()
        read_json(self.request.body, Nothing)
        openid = self.visitor().person.openid
        services = self.services
        order = await release_payment(
            _belonging(out_trade_no, order_id),
            openid,
            store=services.store,
            bus=services.bus,
            clock=services.clock,
        )
        self.answer(_confirmed(order, out_trade_no, openid))


class PaymentCodeHandler(BaseHandler):
    """/api/orders/<id>/payments/<out_trade_no>/qr.svg and qr.png: a NATIVE attempt's code, to scan with WeChat."""

    async def get(self, order_id: str, out_trade_no: str, kind: str) -> None:
        openid = self.visitor().person.openid
        services = self.services
        code = await code_of(
            _belonging(out_trade_no, order_id),
            openid,
            store=services.store,
            cache=services.cache,
            gateway=services.gateway,
            clock=services.clock,
        )
        self.set_header("Content-Type", QR_TYPES[kind])
        self.finish(await qr_code(code.code_url, kind))


def _belonging(out_trade_no: str, order_id: str) -> str:
    if order_id_of(out_trade_no) != checked_order_id(order_id):
        raise OrderNotFound(order_id)
    return out_trade_no


def _confirmed(order: Order, out_trade_no: str, openid: str) -> Confirmed:
    return Confirmed(public_order(order, openid), find_attempt(order, out_trade_no).trade_state)


def _own(payment: Payment) -> OwnPayment:
    return OwnPayment(
        out_trade_no=payment.out_trade_no,
        amount=payment.amount,
        share=payment.share,
        trade_type=payment.trade_type,
        trade_state=payment.trade_state,
        lease_until_ms=payment.lease_until_ms,
        expires_at_ms=payment.expires_at_ms,
    )
