"""Webhooks in the operator's hands: how each endpoint stands, what an order had told of it, and sending it again."""

from typing import Final

import structlog
from msgspec import Struct

from handlers.base import checked_order_id
from handlers.operator_request import OperatorHandler
from handlers.requests import BadRequest, clean_text, read_json
from server.domain.operator_webhooks import OperatorDelivery, OperatorEndpoint, operator_delivery
from server.usecases.resend_webhook import resend_parked, resend_webhook
from server.usecases.survey_webhooks import survey_webhooks

MAX_SHOWN: Final = 50
MAX_DELIVERY_ID: Final = 400

log = structlog.get_logger()


class Endpoints(Struct, frozen=True):
    endpoints: list[OperatorEndpoint]


class OrderDeliveries(Struct, frozen=True):
    deliveries: list[OperatorDelivery]


class Resend(Struct, frozen=True, forbid_unknown_fields=True):
    """Which delivery, by its id."""

    delivery_id: str


class OneDelivery(Struct, frozen=True):
    delivery: OperatorDelivery


class ResendParked(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose deliveries, by the endpoint's name."""

    endpoint: str


class Resent(Struct, frozen=True):
    """How many deliveries are due again."""

    count: int


class WebhooksHandler(OperatorHandler):
    """/api/admin/webhooks"""

    async def get(self) -> None:
        deliveries, endpoints = self.services.deliveries, self.services.outbox.endpoints
        self.answer(Endpoints([await survey_webhooks(each, deliveries=deliveries) for each in endpoints]))


class OrderWebhooksHandler(OperatorHandler):
    """/api/admin/orders/<id>/webhooks: newest first."""

    async def get(self, order_id: str) -> None:
        found = await self.services.deliveries.of_order(checked_order_id(order_id), limit=MAX_SHOWN)
        self.answer(OrderDeliveries([operator_delivery(each) for each in found]))


class ResendHandler(OperatorHandler):
    """/api/admin/webhooks/resend: one delivery, whatever became of it."""

    async def post(self) -> None:
        self.guard_write()
        asked = read_json(self.request.body, Resend).delivery_id
        delivery_id = clean_text(asked, "delivery_id", max_length=MAX_DELIVERY_ID, required=True, lines="one")
        services = self.services
        delivery = await resend_webhook(delivery_id, deliveries=services.deliveries, clock=services.clock)
        services.outbox.ring()
        log.info("operator_did", deed="resend", delivery_id=delivery_id, address=self.client_ip)
        self.answer(OneDelivery(operator_delivery(delivery)))


class ResendParkedHandler(OperatorHandler):
    """/api/admin/webhooks/resend-parked: all that an endpoint missed."""

    async def post(self) -> None:
        self.guard_write()
        endpoint = read_json(self.request.body, ResendParked).endpoint
        services = self.services
        if endpoint not in services.outbox.endpoints:
            raise BadRequest("endpoint", "not_an_endpoint")
        count = await resend_parked(endpoint, deliveries=services.deliveries, clock=services.clock)
        services.outbox.ring()
        log.info("operator_did", deed="resend_parked", endpoint=endpoint, count=count, address=self.client_ip)
        self.answer(Resent(count))
