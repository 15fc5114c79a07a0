"""
kill -9 at every write, flush and send of a flow, and what is true after the restart.

A flow is run once under strace to learn its points, and then once for each of them, on orders and friends of its own,
in one store that grows. No notify comes a second time: what the dead server still owed, the next one finds in the store
or asks WeChat for.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx

from tests.faults.auditor import Document, history
from tests.faults.processes import PATIENCE_S
from tests.faults.site import Case, Site
from tests.faults.tracing import Point, killed_at, recorded
from tests.people import Page, Person

MOST_LIVES: Final = 6


class Flow(ABC):
    """Something money does, from outside."""

    final_state: str
    promises: Sequence[str]  # what the merchant is to be told of, once each, with {} for the number

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
        return order["state"] == self.final_state and not order.get("effects")


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
    promises = ("payment.paid:{}", "order.paid", "refund.success:{}R1", "order.refunded")

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
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await case.initiator.http.post(f"/api/orders/{case.order_id}/refund", json={})
                if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:  # "try again", a process that just started
                    break
        assert answer.status_code == HTTPStatus.OK, answer.text


FLOWS: Final[Mapping[str, Flow]] = {"notify": NotifyFlow(), "refund": RefundFlow()}


@dataclass
class Swept:
    """What a sweep came to: `points` the flow has, `hit` those of them a server died at, and every complaint."""

    points: int = 0
    hit: list[Point] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


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
        async with killed_at(await site.server(), point) as death:
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
            told = await asyncio.to_thread(site.shelf.deliveries, case.order_id)
            return await _shown(case, order, seen) + _kept_promises(flow, case, told)
        await site.next_life()
    return [f"not done after {MOST_LIVES} lives: {order['state']} {order.get('effects')}"]


async def _shown(case: Case, order: Document, seen: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with what the page saw, and sees when it comes back."""
    again = await case.initiator.watch(case.order_id)
    frames = [*seen, await again.next_state()]
    revs = [frame["rev"] for frame in frames]
    wrong = history([frame["order"]["state"] for frame in frames])
    if revs != sorted(revs) or (revs[-1], frames[-1]["order"]["state"]) != (order["rev"], order["state"]):
        wrong.append(f"I7: the page saw {revs} and ends on {frames[-1]['order']['state']}, stored is {order['rev']}")
    return wrong


def _kept_promises(flow: Flow, case: Case, told: Sequence[Document]) -> list[str]:
    there = Counter(map(_told_of, told))
    due = Counter(promise.format(case.out_trade_no) for promise in flow.promises)
    return [] if there == due else [f"the merchant is to be told: {dict(there)}, not {dict(due)}"]


def _told_of(delivery: Document) -> str:
    """Return the event, and the number it is about."""
    data = json.loads(delivery["body"])["data"]
    number = data.get("out_refund_no") or data.get("out_trade_no")
    return f"{delivery['event']}:{number}" if number else str(delivery["event"])


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
