"""Every day by itself: one process takes a day on, compares it with WeChat's bill, and keeps the report."""

import asyncio
from typing import Final

from msgspec.structs import replace

from server.domain.bill import BillDay
from server.domain.reconciliation import MAX_LINES, Outcome, Reconciliation
from server.errors import NoBill, PayError, StoreUnavailable, WeChatUnavailable
from server.ports import Reconciliations
from server.tasks import end
from server.usecases.effect_means import Means, log
from server.usecases.reconcile import Told, cure_differences, find_differences, told_nobody

LOOK_EVERY_S: Final = 60.0
LEASE_MS: Final = 30 * 60_000  # whoever could not finish a day leaves it to the next one, so much later
CATCH_UP_DAYS: Final = 3  # a server that was down, or a bill that came late


async def reconcile_day(day: BillDay, means: Means, reconciliations: Reconciliations, *, told: Told) -> Reconciliation:
    """
    Compare a day with its bill, cure what can be cured, and keep the report. Safe to stop and to repeat.

    Raises:
        NoBill, MalformedBill, WeChatRefused: Not done.
        WeChatUnavailable, StoreUnavailable: Not done, or not to its end: later.
    """
    report = await cure_differences(await find_differences(day, means, told=told), means, told=told)
    if not report.total(Outcome.UNKNOWN):
        await _keep(report, reconciliations)
    return report


async def _keep(report: Reconciliation, reconciliations: Reconciliations) -> None:
    """Keep the lines a person has to see before any other, where there are too many."""
    lines = sorted(report.lines, key=lambda line: line.outcome is not Outcome.PERSON)
    await reconciliations.keep(replace(report, lines=tuple(lines[:MAX_LINES])))


class DailyReconciliation:
    """
    Works from `start` to `aclose`, on one event loop, in every process.

    Args:
        at_ms: Time of day in Beijing, in milliseconds since midnight, from which the day before is due.
    """

    def __init__(self, means: Means, reconciliations: Reconciliations, *, at_ms: int) -> None:
        self._means = means
        self._reconciliations = reconciliations
        self._at_ms = at_ms
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look_until_closed())

    async def aclose(self) -> None:
        """Stop at once: whatever was under way is done again. Safe to repeat."""
        if self._looking is not None:
            await end([self._looking])

    async def look(self) -> None:
        """Reconcile each day that is due and that nobody has, the oldest first."""
        now_ms = self._means.clock.now_ms()
        newest = BillDay.of(now_ms - self._at_ms).earlier(1)
        for ago in reversed(range(CATCH_UP_DAYS)):
            day = newest.earlier(ago)
            if await self._reconciliations.claim(str(day), now_ms=now_ms, lease_ms=LEASE_MS):
                await self._reconcile(day)

    async def _look_until_closed(self) -> None:
        while True:
            try:
                await self.look()
            except PayError as error:
                log.warning("reconcile_cannot_look", reason=str(error))
            except Exception:  # noqa: BLE001 - nobody waits for this task, and tomorrow is another day
                log.exception("reconcile_broke")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _reconcile(self, day: BillDay) -> None:
        try:
            report = await reconcile_day(day, self._means, self._reconciliations, told=told_nobody)
        except (NoBill, WeChatUnavailable, StoreUnavailable) as error:
            log.warning("reconcile_later", day=str(day), reason=str(error))
        except PayError as error:
            log.critical("reconcile_failed", day=str(day), reason=str(error))
        else:
            log.info("reconciled", day=report.day, rows=report.rows, orders=report.orders, counts=report.counts)
