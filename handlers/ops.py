"""For whoever keeps it running: is the process alive, can it work."""

from msgspec import Struct

from handlers.base import BaseHandler


class Health(Struct, frozen=True):
    status: str


class HealthHandler(BaseHandler):
    """/healthz: the process answers."""

    def get(self) -> None:
        self.answer(Health("ok"))


class ReadyHandler(BaseHandler):
    """/readyz: the store reads and writes."""

    async def get(self) -> None:
        await self.services.store.ping()
        self.answer(Health("ready"))
