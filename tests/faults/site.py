"""A simulated WeChat, a store, and a server in it that dies and is born again, each time a while later."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.app import start as start_sandbox
from tests.faults.auditor import Audit, Document, Ledger
from tests.faults.notifies import a_notify
from tests.faults.nursery import Life, Nursery
from tests.faults.processes import PATIENCE_S, a_free_port, merchant_environment
from tests.faults.shelves import Shelf
from tests.people import Page, Person, a_client

# A dead relay's lease, a refund's first question and most of what was put off are over when the next server starts.
BETWEEN_LIVES_S: Final = 130

REWARDED: Final = {"REWARD_INITIATOR_POINTS": "10", "REWARD_PAYER_POINTS": "5"}
KINDS: Final = ("initiator", "payer")

# Nobody is there: what the merchant is to be told stands in the log of deliveries, and waits.
TOLD: Final = {
    "WEBHOOK_URL": "http://127.0.0.1:9/hooks",
    "WEBHOOK_SECRETS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}


@dataclass
class Case:
    """One order, its friend's attempt, and a page that watches from before the flow begins."""

    order_id: str
    out_trade_no: str
    initiator: Person
    friend: Person
    page: Page


@dataclass
class Site:
    """A simulated WeChat, a store, and a server in it that is replaced when it dies."""

    control: httpx.AsyncClient
    merchant: Mapping[str, Any]
    nursery: Nursery
    environment: dict[str, str]
    data_dir: Path
    port: int
    shelf: Shelf
    ahead_s: float = 0
    answered: set[str] = field(default_factory=set)
    life: Life | None = None
    cases: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def trace(self) -> Path:
        return self.data_dir / "trace"

    async def server(self) -> Life:
        """Return the server that lives, a new one if the last has died."""
        if self.life is None or self.life.over.is_set():
            self.life = await self.nursery.born(
                port=self.port, data_dir=self.data_dir, environment=self.environment, ahead_s=self.ahead_s
            )
        return self.life

    async def next_life(self) -> Life:
        """End the server, let time pass for it and for WeChat, and return the next one."""
        if self.life is not None:
            await self.life.kill()
        self.ahead_s += BETWEEN_LIVES_S
        await self.control.post("/_sim/clock", json={"advance_s": BETWEEN_LIVES_S})
        return await self.server()

    async def notify(self, out_trade_no: str) -> None:
        """Post WeChat's notify once; a server that dies over it leaves no answer."""
        lines = (await self.control.get("/_sim/ledger")).json()["orders"]
        line = next(line for line in lines if line["out_trade_no"] == out_trade_no)
        with suppress(httpx.TransportError):
            async with a_client(self.url) as http:
                answer = await http.post("/wechat/notify/pay", content=a_notify(self.merchant, line))
            if b"SUCCESS" in answer.content:
                self.answered.add(out_trade_no)

    async def until(self, case: Case, is_so: Callable[[Document], bool]) -> bool:
        """Return True once the stored order is so, False if the server is over before."""
        life = self.life  # and not its successor: this one may be dead by now
        assert life is not None
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_so(order := await asyncio.to_thread(self.shelf.order, case.order_id)):
            if life.over.is_set():
                return False
            assert time.monotonic() < deadline_s, f"{order['state']} {order['payments']} {order.get('effects')}"
            await asyncio.sleep(0.005)
        return True

    def has_nothing_due(self, order: Document) -> bool:
        """Has this order nothing more to do by the server's clock?"""
        now_ms = time.time() * 1000 + self.ahead_s * 1000
        return not any(effect["due_at_ms"] <= now_ms for effect in order.get("effects", ()))

    async def audit(self) -> list[str]:
        """Return everything that is wrong now that nothing is on its way."""
        ledger = Ledger.of((await self.control.get("/_sim/ledger")).json(), answered=self.answered)
        stored = await asyncio.to_thread(self.shelf.stored)
        return Audit(stored, ledger, rewarded=KINDS).at_rest()


@asynccontextmanager
async def a_site(folder: Path, shelf: Shelf, **settings: str) -> AsyncIterator[Site]:
    """
    Yield a WeChat that refunds at once and sends no pay notifies of its own.

    Args:
        settings: Where the server keeps its orders if not in `folder`, as in the environment.
    """
    async with AsyncExitStack() as stack:
        wechat = await start_sandbox(refund_after_s=0)
        stack.push_async_callback(wechat.aclose)
        control = await stack.enter_async_context(a_client(wechat.url))
        await control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
        merchant = (await control.get("/_sim/merchant")).json()
        port = a_free_port()
        environment = {
            **merchant_environment(f"http://127.0.0.1:{port}", wechat.url, merchant),
            **REWARDED,
            **TOLD,
            **settings,
        }
        nursery = await stack.enter_async_context(Nursery())
        stack.callback(shelf.close)
        yield Site(control, merchant, nursery, environment, folder, port, shelf)
