"""For whoever keeps it running: is the process alive, can it work."""

from msgspec import Struct

from handlers.base import BaseHandler
from handlers.problems import ApiError


class Health(Struct, frozen=True):
    status: str


class HealthHandler(BaseHandler):
    """/healthz: the process answers."""

    def get(self) -> None:
        self.answer(Health("ok"))

    head = get


class ReadyHandler(BaseHandler):
    """/readyz: the store reads and writes, and news of other processes comes through."""

    async def get(self) -> None:
        if self.in_flight.is_draining:
            raise ApiError(503, "draining")
        await self.web.readiness.check()
        if self.services.bus.is_deaf:
            raise ApiError(503, "bus_deaf")
        self.answer(Health("ready"))

    head = get
