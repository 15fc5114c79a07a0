"""
kill -9 at every write, flush and send of a flow, and what is true after the restart.

A flow is run once under strace to learn its points, and then once for each of them, on orders and friends of its own,
in one store that grows. No notify comes a second time: what the dead server still owed, the next one finds in the store
or asks WeChat for.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.app import start as start_sandbox
from tests.faults.auditor import Audit, Document, Ledger, history
from tests.faults.notifies import a_notify
from tests.faults.nursery import Life, Nursery
from tests.faults.processes import PATIENCE_S, a_free_port, merchant_environment
from tests.faults.shelves import Shelf
from tests.faults.tracing import Point, killed_at, recorded
from tests.people import Page, Person, a_client

# A dead relay's lease, a refund's first question and most of what was put off are over when the next server starts.
BETWEEN_LIVES_S: Final = 130
MOST_LIVES: Final = 6

REWARDED: Final = {"REWARD_INITIATOR_POINTS": "10", "REWARD_PAYER_POINTS": "5"}
KINDS: Final = ("initiator", "payer")

# Effects that wait for somebody else, not for this server.
_PROMISED: Final = ("webhook", "tell_initiator")


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
            assert time.monotonic() < deadline_s, f"{order['state']} {order['payments']} {order['effects']}"
            await asyncio.sleep(0.005)
        return True

    def has_nothing_due(self, order: Document) -> bool:
        """Has this order nothing more to do by the server's clock?"""
        now_ms = time.time() * 1000 + self.ahead_s * 1000
        return not any(e["due_at_ms"] <= now_ms for e in order["effects"] if e["kind"] not in _PROMISED)

    async def audit(self) -> list[str]:
        """Return everything that is wrong now that nothing is on its way."""
        ledger = Ledger.of((await self.control.get("/_sim/ledger")).json(), answered=self.answered)
        stored = await asyncio.to_thread(self.shelf.stored)
        return Audit(stored, ledger, rewarded=KINDS).at_rest()


class Flow(ABC):
    """Something money does, from outside."""

    final_state: str
    promises: Sequence[str]  # webhooks it owes once each, with {} for the number

    async def prepare(self, site: Site) -> Case:
        """Return a case in which the flow can begin."""
        site.cases += 1
        initiator = Person("小红", site.url)
        friend = Person(f"friend {site.cases}", site.url)
        await asyncio.gather(initiator.log_in(), friend.log_in())
        order_id = (await initiator.place_order())["order_id"]
        out_trade_no = await friend.start_payment(order_id)
        page = await initiator.watch(order_id)
        await page.next_state()
        paid = {"out_trade_no": out_trade_no, "outcome": "ok"}
        (await site.control.post("/_sim/pay", json=paid)).raise_for_status()
        return Case(order_id, out_trade_no, initiator, friend, page)

    @abstractmethod
    async def run(self, site: Site, case: Case) -> None:
        """Begin it; the server may die over it."""

    @abstractmethod
    async def ask_again(self, site: Site, case: Case) -> None:
        """What people do when they got no answer; WeChat does nothing a second time."""

    def is_done(self, order: Document) -> bool:
        kinds = {effect["kind"] for effect in order["effects"]}
        return order["state"] == self.final_state and kinds <= set(_PROMISED)


class NotifyFlow(Flow):
    """A notify settles a payment: the answer, the push, the reward."""

    final_state = "PAID"
    promises = ("payment.paid:{}", "order.paid")

    async def run(self, site: Site, case: Case) -> None:
        await site.notify(case.out_trade_no)

    async def ask_again(self, site: Site, case: Case) -> None:
        """Nobody does: the next server has to find out."""


class RefundFlow(Flow):
    """The initiator gives a payment back: the call, WeChat's word, the question, the reward taken back."""

    final_state = "REFUNDED"
    promises = ("payment.paid:{}", "order.paid", "refund.success:{}R1")

    async def prepare(self, site: Site) -> Case:
        case = await super().prepare(site)
        await site.notify(case.out_trade_no)
        assert await site.until(case, NotifyFlow().is_done)
        await case.page.until_state("PAID")
        await site.control.delete("/_sim/faults", params={"target": "refund_notify"})
        return case

    async def run(self, site: Site, case: Case) -> None:
        with suppress(httpx.TransportError):
            await self.ask_again(site, case)

    async def ask_again(self, site: Site, case: Case) -> None:
        answer = await case.initiator.http.post(f"/api/orders/{case.order_id}/refund", json={})
        assert answer.status_code == 200, answer.text


FLOWS: Final[Mapping[str, Flow]] = {"notify": NotifyFlow(), "refund": RefundFlow()}


@dataclass
class Swept:
    """What a sweep came to: `points` the flow has, `hit` those of them a server died at, and every complaint."""

    points: int = 0
    hit: list[Point] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


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
            **settings,
        }
        nursery = await stack.enter_async_context(Nursery())
        stack.callback(shelf.close)
        yield Site(control, merchant, nursery, environment, folder, port, shelf)


async def sweep(
    site: Site, flow: Flow, *, most: int = 0, told: Callable[[int, int], None] = lambda done, points: None
) -> Swept:
    """
    Kill the server at the points of the flow and return what came of it.

    Args:
        most: So many points, evenly chosen; 0 for all of them.
        told: Is called after each point with how many are done, and how many there are.
    """
    swept = Swept()
    points = await _points_of(site, flow)
    swept.points = len(points)
    chosen = [points[n * len(points) // most] for n in range(most)] if 0 < most < len(points) else points
    for done, point in enumerate(chosen, start=1):
        if await _die_and_recover(site, flow, point, swept.complaints):
            swept.hit.append(point)
        told(done, len(chosen))
    return swept


async def _points_of(site: Site, flow: Flow) -> list[Point]:
    points: list[Point] = []
    async with _a_case(site, flow) as case, recorded(await site.server(), points, site.trace):
        await flow.run(site, case)
        assert await site.until(case, flow.is_done)
        await case.page.until_state(flow.final_state)
    return points


async def _die_and_recover(site: Site, flow: Flow, point: Point, complaints: list[str]) -> bool:
    """Return whether the server died at this point."""
    async with _a_case(site, flow) as case:
        async with killed_at(await site.server(), point, site.trace) as death:
            await flow.run(site, case)
            await site.until(case, flow.is_done)
            seen = await _frames(case.page, flow.final_state)
        await site.control.post("/_sim/faults", json={"target": "refund_notify", "kind": "drop", "times": 0})
        if death.came:
            await site.next_life()
            await flow.ask_again(site, case)
        wrong = await _end(site, flow, case, seen)
        complaints += [f"{point}: {what}" for what in wrong + await site.audit()]
    return death.came


async def _end(site: Site, flow: Flow, case: Case, seen: list[dict[str, Any]]) -> list[str]:
    """Let server after server live, each a while later and killed in the end, until there is nothing more to do."""
    for _ in range(MOST_LIVES):
        await site.until(case, lambda order: flow.is_done(order) or site.has_nothing_due(order))
        order = await asyncio.to_thread(site.shelf.order, case.order_id)
        if flow.is_done(order):
            return await _shown(case, order, seen) + _kept_promises(flow, case, order)
        await site.next_life()
    return [f"not done after {MOST_LIVES} lives: {order['state']} {order['effects']}"]


async def _shown(case: Case, order: Document, seen: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with what the page saw, and sees when it comes back."""
    again = await case.initiator.watch(case.order_id)
    frames = [*seen, await again.next_state()]
    revs = [frame["rev"] for frame in frames]
    wrong = history([frame["order"]["state"] for frame in frames])
    if revs != sorted(revs) or (revs[-1], frames[-1]["order"]["state"]) != (order["rev"], order["state"]):
        wrong.append(f"I7: the page saw {revs} and ends on {frames[-1]['order']['state']}, stored is {order['rev']}")
    return wrong


def _kept_promises(flow: Flow, case: Case, order: Document) -> list[str]:
    owed = Counter(effect["about"] for effect in order["effects"] if effect["kind"] == "webhook")
    due = Counter(promise.format(case.out_trade_no) for promise in flow.promises)
    return [] if owed == due else [f"webhooks to be: {dict(owed)}, not {dict(due)}"]


async def _frames(page: Page, final_state: str) -> list[dict[str, Any]]:
    """Return the order frames up to the first in this state, or to the server's death."""
    frames: list[dict[str, Any]] = []
    while (frame := await page.next_frame()) is not None:
        if frame["type"] == "order":
            frames.append(frame)
            if frame["order"]["state"] == final_state:
                break
    return frames


@asynccontextmanager
async def _a_case(site: Site, flow: Flow) -> AsyncIterator[Case]:
    await site.server()
    case = await flow.prepare(site)
    async with case.initiator, case.friend:
        yield case
