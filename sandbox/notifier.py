"""Notifies: sent when due, then on WeChat's schedule until the merchant answers SUCCESS, also after a restart."""

import asyncio
import ssl
from functools import cache
from typing import Final

import httpx
import msgspec

from sandbox import v3_notice
from sandbox.clock import Clock
from sandbox.fault_kinds import NOTIFY_TARGET, REFUND_NOTIFY_TARGET
from sandbox.faults import Fault, Faults
from sandbox.journal import Journal, SentNotify
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.notice import Letter, Notice
from sandbox.notify_body import PayNotice
from sandbox.order import Order, Refund
from sandbox.records import Records
from sandbox.refund_notify_body import RefundNotice

ANSWER_DEADLINE_S: Final = 5
RETRY_GAPS_S: Final = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
_MAX_IN_FLIGHT: Final = 64


# They stand in for WeChat's own notify, so they never count as delivered.
_FORGERIES: Final = ("forge", "bad_padding", "bad_cipher", "reserialised", "serial", "stale", "unsigned")


@cache
def _tls() -> ssl.SSLContext:
    """Read the authorities this machine trusts once a process: it takes a twentieth of a second."""
    return httpx.create_ssl_context(trust_env=False)


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next sending of an order's notify, or of one of its refunds'; `nth` counts from 1."""

    out_trade_no: str
    nth: int
    due_at_ms: float
    out_refund_no: str = ""

    @property
    def key(self) -> str:
        return f"refund:{self.out_refund_no}" if self.out_refund_no else self.out_trade_no

    @property
    def target(self) -> str:
        """The name its faults go by."""
        return REFUND_NOTIFY_TARGET if self.out_refund_no else NOTIFY_TARGET


class Notifier:
    """One task an undelivered notify, asleep on the simulator's clock."""

    def __init__(
        self, *, records: Records, clock: Clock, keys: Keys, ledger: Ledger, faults: Faults, journal: Journal
    ) -> None:
        self._records = records
        self._clock = clock
        self._keys = keys
        self._ledger = ledger
        self._faults = faults
        self._journal = journal
        # No proxy, no redirect: the notify goes to the merchant's own address or nowhere. `_exchange` has the deadline.
        self._http = httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=None)  # noqa: S113
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
        """Return the notice in the shape of the API its order or its refund came by, with the keys in force now."""
        merchant, now_s = self._keys.merchant, self._clock.real_s()
        if not pending.out_refund_no:
            order = self._ledger.find(out_trade_no=pending.out_trade_no)
            is_v3 = order.api == "v3"
            return v3_notice.pay_notice(order, self._keys, now_s=now_s) if is_v3 else PayNotice(order, merchant)
        order, refund = self._ledger.find_refund(out_refund_no=pending.out_refund_no)
        if refund.api == "v3":
            return v3_notice.refund_notice(order, refund, self._keys, now_s=now_s)
        return RefundNotice(order, refund, merchant)

    async def _deliver(self, first: Pending) -> None:
        pending: Pending | None = first
        while pending is not None:
            await self._clock.sleep_until(pending.due_at_ms)
            if await self._send(pending):
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

    async def _send(self, pending: Pending) -> bool:
        """Make one attempt, bent by a fault if one is due, and tell whether WeChat counts it as delivered."""
        fault = self._faults.take(pending.target)
        kind = fault.kind if fault else ""
        if kind == "drop":
            self._note(pending, self._clock.now_ms(), None, "", kind)
            return False
        await self._hold_back(fault)
        notice = self._notice(pending)
        if fault and kind in (*_FORGERIES, "probe"):
            await self._post(notice, notice.forged_letter(fault), pending, kind)
        if kind in _FORGERIES:
            return False
        copies = int(fault["n"]) if fault and kind == "duplicate" else 1
        letter = notice.letter(fault)
        fault_kind = "" if kind == "probe" else kind
        sendings = (self._post(notice, letter, pending, fault_kind) for _ in range(copies))
        return any(await asyncio.gather(*sendings))

    async def _hold_back(self, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.kind == "delay":
            await self._clock.sleep(fault["delay_s"])
        if fault.kind == "reorder":
            await self._went_out.wait()

    async def _post(self, notice: Notice, letter: Letter, pending: Pending, fault_kind: str) -> bool:
        async with self._slots:
            sent_at_ms = self._clock.now_ms()
            response, failure = await self._exchange(notice.url, letter)
        answer = failure if response is None else notice.read_answer(response.status_code, response.content)
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

    async def _exchange(self, url: str, letter: Letter) -> tuple[httpx.Response | None, str]:
        try:
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                return await self._http.post(url, content=letter.body, headers=dict(letter.headers)), ""
        except TimeoutError:
            return None, f"no answer within {ANSWER_DEADLINE_S} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, type(error).__name__

    def _release_held_back(self) -> None:
        self._went_out.set()
        self._went_out = asyncio.Event()
