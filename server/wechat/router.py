"""Both APIs behind one port: an attempt is asked after, closed and refunded by the API that ordered it."""

from collections.abc import Collection, Mapping
from datetime import date

from server.domain.bill import Bill
from server.domain.document import Order, Payment, Refund
from server.domain.events import Evidence, PayApi, PaymentConfirmed, PaymentUnpaid, RefundProgressed, TradeType
from server.domain.prepaid import Prepaid
from server.errors import WeChatRefused
from server.ports import PayGateway


class PayRouter:
    """
    Fills `ports.PayGateway` with one client for each API that is configured.

    Of what the appids allow, only the trade types `offered` begin new payments; those under way go on.

    An attempt of an API that is configured no more is refused with the code `API_NOT_CONFIGURED`, and waits.
    """

    def __init__(self, clients: Mapping[PayApi, PayGateway], *, offered: Collection[TradeType]) -> None:
        self._clients = clients
        self._offered = frozenset(offered)

    @property
    def trade_types(self) -> frozenset[TradeType]:
        return self._offered & frozenset().union(*(client.trade_types for client in self._clients.values()))

    async def prepay(self, order: Order, payment: Payment) -> Prepaid:
        return await self._of(payment).prepay(order, payment)

    async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
        return await self._of(payment).query(payment, evidence=evidence)

    async def close(self, payment: Payment) -> None:
        await self._of(payment).close(payment)

    async def refund(self, order: Order, payment: Payment, refund: Refund) -> RefundProgressed:
        return await self._of(payment).refund(order, payment, refund)

    async def query_refund(self, payment: Payment, refund: Refund) -> RefundProgressed:
        return await self._of(payment).query_refund(payment, refund)

    async def download_bill(self, day: date) -> Bill:
        """Both APIs write the same bill, of the payments of both."""
        return await next(iter(self._clients.values())).download_bill(day)

    def client_params(
        self, payment: Payment, prepaid: Prepaid, *, return_url: str, now_s: int, nonce: str
    ) -> dict[str, str | int]:
        return self._of(payment).client_params(payment, prepaid, return_url=return_url, now_s=now_s, nonce=nonce)

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _of(self, payment: Payment) -> PayGateway:
        client = self._clients.get(payment.api)
        if client is None:
            raise WeChatRefused(f"API {payment.api}", "API_NOT_CONFIGURED", "its keys are not among the settings")
        return client
