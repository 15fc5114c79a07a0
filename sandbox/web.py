"""What every handler shares: the world, quiet errors, and WeChat's calls as the faults bend them."""

import asyncio
from collections.abc import Mapping
from typing import Final

from tornado import web

from sandbox.faults import Fault
from sandbox.journal import Call
from sandbox.world import World

_PAGE_CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action *; base-uri 'none'; frame-ancestors 'none'"
)
_GARBAGE: Final = b"<html>\xff\xfe<h1>502 Bad Gateway</h1><xml><return_code>SUC"
_MADE_UP: Final = "模拟的错误"
_OVERSIZE_BYTES: Final = 10 * 1024 * 1024


class Handler(web.RequestHandler):
    def initialize(self, world: World) -> None:
        self.world = world

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def render_page(self, template: str, **values: object) -> None:
        """Render a page that has no script; its form may lead back to the merchant's own address."""
        self.set_header("Content-Security-Policy", _PAGE_CSP)
        self.render(template, **values)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {self._reason}\n")


class Answer:
    """A body for the caller with its status and headers, and the word the journal keeps of it."""

    def __init__(
        self,
        body: bytes,
        summary: str,
        *,
        out_trade_no: str = "",
        out_refund_no: str = "",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.summary = summary
        self.out_trade_no = out_trade_no
        self.out_refund_no = out_refund_no
        self.status = status
        self.headers = headers or {}


class WeChatCallHandler(Handler):
    """
    One of WeChat's own calls: an API's name, a fault target, and what it does.

    A subclass says `perform` (the effect and its answer) and `refuse` (the answer of an `error` fault, without effect).
    `fault` is what this call is to suffer; only a fault that bends the effect itself or its signature concerns it.
    """

    content_type = "text/plain; charset=utf-8"
    fault: Fault | None = None

    def initialize(self, world: World, api: str = "", target: str = "") -> None:
        super().initialize(world)
        self.api = api
        self.target = target

    def perform(self) -> Answer:
        raise NotImplementedError

    def refuse(self, code: str | int, message: str) -> Answer:
        raise NotImplementedError

    async def answer_call(self) -> None:
        self.fault = fault = self.world.faults.take(self.target)
        if fault is None:
            self._send(self.perform())
        elif fault.kind in ("fail_before", "status", "error"):
            self._fail(fault)
        else:
            await self._spoil(self.perform(), fault)

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "error":
            self._send(self.refuse(fault["code"], fault.get("message", _MADE_UP)))
        elif fault.kind == "status":
            self._send(Answer(b"", f"HTTP {fault['status']}", status=fault["status"]))
        else:
            self._cut(Answer(b"", fault.kind))

    async def _spoil(self, answer: Answer, fault: Fault) -> None:
        if fault.kind == "fail_after":
            answer.summary = fault.kind
            self._cut(answer)
            return
        if fault.kind == "slow":
            await self._dawdle(fault["delay_s"])
        elif fault.kind == "error_after":
            answer = self.refuse(fault["code"], fault.get("message", _MADE_UP))
        elif fault.kind == "garbage":
            answer.status, answer.body = 200, _GARBAGE
        elif fault.kind == "oversize":
            answer.status = 200
            answer.body = b"<xml><return_code>SUCCESS</return_code><pad>" + b"x" * _OVERSIZE_BYTES + b"</pad></xml>"
        self._send(answer)

    async def _dawdle(self, for_s: float) -> None:
        try:
            async with asyncio.timeout(for_s):
                await self.world.closing.wait()
        except TimeoutError:
            return

    def _send(self, answer: Answer) -> None:
        self._note(answer)
        self.set_status(answer.status)
        self.set_header("Content-Type", self.content_type)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.finish(answer.body or None)

    def _cut(self, answer: Answer) -> None:
        self._note(answer)
        self.detach().close()

    def _note(self, answer: Answer) -> None:
        now_ms = self.world.clock.now_ms()
        call = Call(now_ms, self.api, answer.summary, answer.out_trade_no, answer.out_refund_no)
        self.world.journal.calls.append(call)
