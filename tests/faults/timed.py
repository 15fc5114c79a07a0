"""daifu and WeChat in this process, by clocks that stand still until a test moves both of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.app import start as start_sandbox
from server.bus.local import LocalBus
from server.bus.ringing import RingingBus
from server.domain.document import Order
from server.domain.effects import due_effects
from tests.faults.auditor import Audit, Ledger
from tests.faults.shelves import SqliteShelf
from tests.people import Person, a_client
from tests.running import Daifu, start_daifu

PATIENCE_S: Final = 15


class StoppedClock:
    """Fills ports.Clock with a time that passes only when it is told to."""

    def __init__(self) -> None:
        self._now_ms = time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        return self._now_ms

    def pass_ms(self, passed_ms: int) -> None:
        self._now_ms += passed_ms


@dataclass
class Timed:
    """The two of them, and three people."""

    daifu: Daifu
    clock: StoppedClock
    control: httpx.AsyncClient
    shelf: SqliteShelf
    people: dict[str, Person]

    async def pay(self, out_trade_no: str, **how: bool) -> None:
        asked = {"out_trade_no": out_trade_no, "outcome": "ok", **how}
        answer = await self.control.post("/_sim/pay", json=asked)
        assert answer.status_code == 200, answer.text

    async def fault(self, target: str, kind: str, **parameters: Any) -> None:
        answer = await self.control.post("/_sim/faults", json={"target": target, "kind": kind, **parameters})
        assert answer.status_code == 200, answer.text

    async def calls(self, api: str) -> list[dict[str, Any]]:
        calls = (await self.control.get("/_sim/calls")).json()["calls"]
        return [call for call in calls if call["api"] == api]

    async def pass_ms(self, passed_ms: int) -> None:
        """Let time pass for both, and the relay look."""
        self.clock.pass_ms(passed_ms)
        await self.control.post("/_sim/clock", json={"advance_s": passed_ms / 1000})
        self.daifu.services.bell.set()

    async def until(self, order_id: str, is_so: Callable[[Order], bool]) -> Order:
        """Return the order once this is so, without letting any time pass."""
        order = await self.daifu.services.store.get(order_id)
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_so(order):
            assert time.monotonic() < deadline_s, f"{order.state} {order.effects}"
            await asyncio.sleep(0.005)  # nothing tells of everything but asking
            order = await self.daifu.services.store.get(order_id)
        return order

    async def climb(self, order_id: str, is_so: Callable[[Order], bool], *, within_s: int) -> Order:
        """Let time pass to each next thing the order has to do until this is so, but no longer than this."""
        end_ms = self.clock.now_ms() + within_s * 1000
        while True:
            order = await self.until(order_id, lambda o: is_so(o) or not due_effects(o.effects, self.clock.now_ms()))
            if is_so(order):
                return order
            assert order.due_at_ms is not None, f"{order.state} has nothing more to do"
            assert order.due_at_ms <= end_ms, f"{order.state} {order.effects}"
            await self.pass_ms(order.due_at_ms - self.clock.now_ms())

    async def audit(self) -> list[str]:
        """Return everything that is wrong now that nothing is on its way."""
        calls = (await self.control.get("/_sim/calls")).json()
        answered = [n["out_trade_no"] for n in calls["notifies"] if n["answer"] == "SUCCESS"]
        ledger = Ledger.of((await self.control.get("/_sim/ledger")).json(), answered=answered)
        return Audit(await asyncio.to_thread(self.shelf.stored), ledger).at_rest()


@asynccontextmanager
async def a_timed_daifu(folder: Path) -> AsyncIterator[Timed]:
    clock = StoppedClock()
    async with AsyncExitStack() as stack:
        wechat = await start_sandbox()
        stack.push_async_callback(wechat.aclose)
        control = await stack.enter_async_context(a_client(wechat.url))
        daifu = await start_daifu(
            data_dir=folder,
            wechat_url=wechat.url,
            merchant=(await control.get("/_sim/merchant")).json(),
            parts=lambda services: replace(
                services, clock=clock, bus=RingingBus(LocalBus(services.hub), services.bell, clock)
            ),
        )
        stack.push_async_callback(daifu.aclose)
        people = {name: await stack.enter_async_context(Person(name, daifu.url)) for name in ("小红", "小明", "老王")}
        for person in people.values():
            await person.log_in()
        yield Timed(daifu, clock, control, SqliteShelf(folder), people)
