"""Notifies: sent when due, then on WeChat's schedule until the merchant answers SUCCESS, also after a restart."""

import asyncio
from typing import Final, Protocol

import httpx
import msgspec

from sandbox import flat_xml
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.journal import Journal, SentNotify
from sandbox.ledger import Ledger
from sandbox.merchant import Merchant
from sandbox.notify_body import PayNotice
from sandbox.order import Order, Refund
from sandbox.records import Records
from sandbox.refund_notify_body import RefundNotice

ANSWER_DEADLINE_S: Final = 5
RETRY_GAPS_S: Final = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
_MAX_IN_FLIGHT: Final = 64


# They stand in for WeChat's own notify, so they never count as delivered.
_FORGERIES: Final = ("forge", "bad_padding")


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next sending of an order's notify, or of one of its refunds'; `nth` counts from 1."""

    out_trade_no: str
    nth: int
    due_at_ms: float
    out_refund_no: str = ""

    @property
    def key(self) -> str:
        return f"refund:{self.out_refund_no}" if self.out_refund_no else self.out_trade_no


class Notice(Protocol):
    """What the merchant is to be told, and where; `target` is the name its faults go by."""

    @property
    def target(self) -> str: ...

    @property
    def url(self) -> str: ...

    def body(self, fault: Fault | None = None) -> bytes: ...

    def forged_body(self, fault: Fault) -> bytes: ...


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
        self._begin(Pending(order.out_trade_no, 1, self._clock.now_ms()))

    def announce_refund(self, order: Order, refund: Refund) -> None:
        """Notify the merchant once the refund has ended, if he said where."""
        if refund.notify_url:
            self._begin(Pending(order.out_trade_no, 1, refund.settles_at_ms, refund.out_refund_no))

    def pending(self) -> list[Pending]:
        """Return what is still to be sent, as a restart would find it."""
        return [pending for _, pending in self._records.all("notify", Pending)]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def _begin(self, pending: Pending) -> None:
        self._records.put("notify", pending.key, pending)
        self._start(pending)

    def _start(self, pending: Pending) -> None:
        task = asyncio.create_task(self._deliver(pending))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _notice(self, pending: Pending) -> Notice:
        if pending.out_refund_no:
            order, refund = self._ledger.find_refund(out_refund_no=pending.out_refund_no)
            return RefundNotice(order, refund, self._merchant)
        return PayNotice(self._ledger.find(out_trade_no=pending.out_trade_no), self._merchant)

    async def _deliver(self, first: Pending) -> None:
        notice = self._notice(first)
        pending: Pending | None = first
        while pending is not None:
            await self._clock.sleep_until(pending.due_at_ms)
            if await self._send(notice, pending):
                break
            pending = self._after_failure(pending)
        self._records.delete("notify", first.key)

    def _after_failure(self, pending: Pending) -> Pending | None:
        if pending.nth > len(RETRY_GAPS_S):
            return None
        due_at_ms = self._clock.now_ms() + RETRY_GAPS_S[pending.nth - 1] * 1000
        later = msgspec.structs.replace(pending, nth=pending.nth + 1, due_at_ms=due_at_ms)
        self._records.put("notify", later.key, later)
        return later

    async def _send(self, notice: Notice, pending: Pending) -> bool:
        """Make one attempt, bent by a fault if one is due, and tell whether WeChat counts it as delivered."""
        fault = self._faults.take(notice.target)
        kind = fault.kind if fault else ""
        if kind == "drop":
            self._note(pending, self._clock.now_ms(), None, "", kind)
            return False
        await self._hold_back(fault)
        if fault and kind in (*_FORGERIES, "probe"):
            await self._post(notice.url, notice.forged_body(fault), pending, kind)
        if kind in _FORGERIES:
            return False
        copies = int(fault["n"]) if fault and kind == "duplicate" else 1
        body = notice.body(fault)
        fault_kind = "" if kind == "probe" else kind
        sendings = (self._post(notice.url, body, pending, fault_kind) for _ in range(copies))
        return any(await asyncio.gather(*sendings))

    async def _hold_back(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind == "delay":
            await self._clock.sleep(fault["delay_s"])
        if fault.kind == "reorder":
            await self._went_out.wait()

    async def _post(self, url: str, body: bytes, pending: Pending, fault_kind: str) -> bool:
        async with self._slots:
            sent_at_ms = self._clock.now_ms()
            response, failure = await self._exchange(url, body)
        answer = failure if response is None else _read_answer(response)
        self._note(pending, sent_at_ms, response, answer, fault_kind)
        self._release_held_back()
        return answer == "SUCCESS"

    def _note(
        self, pending: Pending, sent_at_ms: float, response: httpx.Response | None, answer: str, fault_kind: str
    ) -> None:
        sent = SentNotify(
            out_trade_no=pending.out_trade_no,
            nth=pending.nth,
            sent_at_ms=sent_at_ms,
            answered_at_ms=None if response is None else self._clock.now_ms(),
            status=None if response is None else response.status_code,
            answer=answer,
            fault=fault_kind,
            out_refund_no=pending.out_refund_no,
        )
        self._journal.notifies.append(sent)

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
