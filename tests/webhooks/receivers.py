"""The merchant's end of a webhook: real servers on free ports, that take, refuse or stall."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from examples.verify_webhook import verify
from tests.wechat.authority import Authority

PATIENCE_S: Final = 15
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """
    Verifies what comes with the example's verifier.

    `status` is what it answers; a `gate` that is not set keeps every answer back. `asked` counts requests,
    `events` holds what was taken, in order.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.url = ""
        self.status = 204
        self.location = ""
        self.asked = 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._came = asyncio.Condition()
        self._now_s = now_s

    @property
    def name(self) -> str:
        return self.url.split("/")[2]

    @property
    def told(self) -> list[tuple[str, str]]:
        """What was taken: order and event's name, in order."""
        return [(event["data"]["order"]["order_id"], event["type"]) for _, event in self.events]

    async def take(self, headers: dict[str, str], body: bytes) -> int:
        self.asked += 1
        await self._tell()
        await self.gate.wait()
        if 200 <= self.status < 300:
            self.events.append((headers["webhook-id"], verify(headers, body, [SECRET], now_s=self._now_s())))
            await self._tell()
        return self.status

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once this is so."""
        async with asyncio.timeout(PATIENCE_S), self._came:
            await self._came.wait_for(is_so)

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()


class _Handler(RequestHandler):
    def initialize(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def post(self) -> None:
        headers = {name.lower(): value for name, value in self.request.headers.get_all()}
        self.set_status(await self._receiver.take(headers, self.request.body))
        if self._receiver.location:
            self.set_header("Location", self._receiver.location)

    def log_exception(self, *args: Any) -> None:
        """A receiver that refuses is no trouble of the test's own."""


@asynccontextmanager
async def a_receiver(now_s: Callable[[], float], **server: Any) -> AsyncIterator[Receiver]:
    """A receiver that takes everything, until the end of the block."""
    receiver = Receiver(now_s)
    sockets = bind_sockets(0, "127.0.0.1")
    scheme = "https" if server else "http"
    receiver.url = f"{scheme}://127.0.0.1:{sockets[0].getsockname()[1]}/hooks?from=daifu"
    application = Application([(r"/hooks", _Handler, {"receiver": receiver})], log_function=lambda handler: None)
    http = HTTPServer(application, **server)
    http.add_sockets(sockets)
    try:
        yield receiver
    finally:
        receiver.gate.set()
        http.stop()
        await http.close_all_connections()


def certified(authority: Authority, *, host: str = "") -> ssl.SSLContext:
    """What a receiver needs to speak TLS: a certificate of this authority for `host`, else for 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("receiver", host=host))
    return context
