"""Pay notifies: sent at once, then on WeChat's schedule until the merchant answers SUCCESS, also after a restart."""

import asyncio
from typing import Final

import httpx
import msgspec

from sandbox import flat_xml
from sandbox.clock import Clock
from sandbox.faults import NOTIFY_TARGET, Fault, Faults
from sandbox.journal import Journal, SentNotify
from sandbox.ledger import Ledger, Order
from sandbox.merchant import Merchant
from sandbox.notify_body import missigned_body, notify_body
from sandbox.records import Records

ANSWER_DEADLINE_S: Final = 5
RETRY_GAPS_S: Final = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
_MAX_IN_FLIGHT: Final = 64


class Pending(msgspec.Struct, frozen=True):
    """The next sending of an order's notify; `nth` counts from 1."""

    out_trade_no: str
    nth: int
    due_at_ms: float


class Notifier:
    """One task an undelivered notify, asleep on the simulator's clock."""

    def __init__(
        self, *, records: Records, clock: Clock, merchant: Merchant, ledger: Ledger, faults: Faults, journal: Journal
    ) -> None:
        self._records = records
        self._clock = clock
        self._merchant = merchant
        self._ledger = ledger
        self._faults = faults
        self._journal = journal
        # No proxy, no redirect: the notify goes to the merchant's own address or nowhere. `_exchange` has the deadline.
        self._http = httpx.AsyncClient(trust_env=False, timeout=None)  # noqa: S113
        self._slots = asyncio.Semaphore(_MAX_IN_FLIGHT)
        self._went_out = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Take up what was undelivered when the process ended."""
        for pending in self.pending():
            self._start(pending)

    def announce(self, order: Order) -> None:
        """Begin to notify the merchant of a paid order."""
        pending = Pending(order.out_trade_no, 1, self._clock.now_ms())
        self._records.put("notify", pending.out_trade_no, pending)
        self._start(pending)

    def pending(self) -> list[Pending]:
        """Return what is still to be sent, as a restart would find it."""
        return [pending for _, pending in self._records.all("notify", Pending)]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def _start(self, pending: Pending) -> None:
        task = asyncio.create_task(self._deliver(pending))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, first: Pending) -> None:
        order = self._ledger.find(out_trade_no=first.out_trade_no)
        pending: Pending | None = first
        while pending is not None:
            await self._clock.sleep_until(pending.due_at_ms)
            if await self._send(order, pending.nth):
                break
            pending = self._after_failure(pending)
        self._records.delete("notify", order.out_trade_no)

    def _after_failure(self, pending: Pending) -> Pending | None:
        if pending.nth > len(RETRY_GAPS_S):
            return None
        due_at_ms = self._clock.now_ms() + RETRY_GAPS_S[pending.nth - 1] * 1000
        later = Pending(pending.out_trade_no, pending.nth + 1, due_at_ms)
        self._records.put("notify", later.out_trade_no, later)
        return later

    async def _send(self, order: Order, nth: int) -> bool:
        """Make one attempt, bent by a fault if one is due, and tell whether WeChat counts it as delivered."""
        fault = self._faults.take(NOTIFY_TARGET)
        kind = fault.kind if fault else ""
        if kind == "drop":
            now_ms = self._clock.now_ms()
            self._journal.notifies.append(SentNotify(order.out_trade_no, nth, now_ms, None, None, "", kind))
            return False
        await self._hold_back(fault)
        if kind in ("forge", "probe"):
            await self._post(order, nth, missigned_body(order, self._merchant), kind)
        if kind == "forge":
            return False
        copies = int(fault["n"]) if fault and kind == "duplicate" else 1
        body = notify_body(order, self._merchant, fault)
        fault_kind = "" if kind == "probe" else kind
        accepted = await asyncio.gather(*(self._post(order, nth, body, fault_kind) for _ in range(copies)))
        return any(accepted)

    async def _hold_back(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind == "delay":
            await self._clock.sleep(fault["delay_s"])
        if fault.kind == "reorder":
            await self._went_out.wait()

    async def _post(self, order: Order, nth: int, body: bytes, fault: str) -> bool:
        async with self._slots:
            sent_at_ms = self._clock.now_ms()
            response, failure = await self._exchange(order.asked["notify_url"], body)
            answered_at_ms = self._clock.now_ms()
        answer = failure if response is None else _read_answer(response)
        sent = SentNotify(
            order.out_trade_no,
            nth,
            sent_at_ms,
            None if response is None else answered_at_ms,
            None if response is None else response.status_code,
            answer,
            fault,
        )
        self._journal.notifies.append(sent)
        self._release_held_back()
        return answer == "SUCCESS"

    async def _exchange(self, url: str, body: bytes) -> tuple[httpx.Response | None, str]:
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                return await self._http.post(url, content=body, headers={"Content-Type": "text/xml"}), ""
        except TimeoutError:
            return None, f"no answer within {ANSWER_DEADLINE_S} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, type(error).__name__

    def _release_held_back(self) -> None:
        self._went_out.set()
        self._went_out = asyncio.Event()


def _read_answer(response: httpx.Response) -> str:
    """Return SUCCESS only for what WeChat takes as SUCCESS, else what is wrong with the answer."""
    if response.status_code != httpx.codes.OK:
        return f"HTTP {response.status_code}"
    try:
        fields = flat_xml.read(response.content)
    except flat_xml.BadXml as error:
        return str(error)
    if fields.get("return_code") == "SUCCESS":
        return "SUCCESS"
    return f"{fields.get('return_code', '')}: {fields.get('return_msg', '')}"
