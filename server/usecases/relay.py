"""
The relay: whatever an order still has to do is done, by whichever process claims it first.

Claims are leases. A process that dies, or loses its store half-way, leaves its orders to the next one, a lease later.
What one effect does and says is `run_effects.py`'s; this module knows claims, tasks and time.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from server.domain.document import Order
from server.domain.effects import due_effects
from server.errors import StoreUnavailable
from server.usecases.effect_means import Means, log
from server.usecases.run_effects import LONGEST_RUN_S, run_effects

AT_ONCE: Final = 16  # orders
LEASE_MS: Final = (LONGEST_RUN_S + 10) * 1000  # a round of effects ends well within it
POLL_S: Final = 1.0
DRAIN_S: Final = 5.0


class Relay:
    """
    Works from `start` to `aclose`, on one event loop.

    Args:
        bell: Is set when an order may have become due, so that nobody waits for the next poll.
    """

    def __init__(self, means: Means, bell: asyncio.Event) -> None:
        self._means = means
        self._bell = bell
        self._claiming: asyncio.Task[None] | None = None
        self._working: dict[str, asyncio.Task[None]] = {}  # by order id
        self._claimed_again: dict[str, Order] = {}  # by order id: somebody changed it while it was worked on
        self._is_closing = False

    def start(self) -> None:
        """Begin to claim orders and run their effects."""
        self._claiming = asyncio.create_task(self._claim_until_closed())

    async def aclose(self) -> None:
        """Claim no more and finish what ends within `DRAIN_S`; the rest is left to the next process. Safe to repeat."""
        self._is_closing = True
        self._bell.set()
        until_s = asyncio.get_running_loop().time() + DRAIN_S
        if self._claiming is not None:
            await _finish([self._claiming], until_s)
        await _finish(self._working.values(), until_s)

    async def _claim_until_closed(self) -> None:
        while not self._is_closing:
            self._bell.clear()
            claimed = await self._claim(AT_ONCE - len(self._working))
            for order in claimed:
                if order.order_id in self._working:
                    self._claimed_again[order.order_id] = order
                else:
                    self._working[order.order_id] = asyncio.create_task(self._work_off(order))
            if len(self._working) >= AT_ONCE:
                await asyncio.wait(self._working.values(), return_when=asyncio.FIRST_COMPLETED)
            elif not claimed:
                await self._rest()

    async def _claim(self, limit: int) -> Sequence[Order]:
        store, clock = self._means.store, self._means.clock
        try:
            return await store.claim_due(clock.now_ms(), lease_ms=LEASE_MS, limit=limit)
        except StoreUnavailable as error:
            log.warning("relay_cannot_claim", reason=error.reason)
        except Exception:  # noqa: BLE001 - the loop must outlive a bug: every order's money depends on it
            log.exception("relay_broke")
        return ()

    async def _work_off(self, order: Order) -> None:
        """Run what is due, and what became due by it, until nothing is. One order's trouble is not the others'."""
        newest: Order | None = order
        try:
            while newest and due_effects(newest.effects, self._means.clock.now_ms()) and not self._is_closing:
                newest = await run_effects(newest, self._means)
                again = self._claimed_again.pop(order.order_id, None)
                if again and (newest is None or again.rev > newest.rev):
                    newest = again
        except StoreUnavailable as error:
            log.warning("order_left_to_its_lease", order_id=order.order_id, reason=error.reason)
        except Exception:  # noqa: BLE001 - nobody waits for this task, and a bug must be heard of
            log.exception("order_broke", order_id=order.order_id)
        finally:
            del self._working[order.order_id]
            self._claimed_again.pop(order.order_id, None)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._bell.wait()
        except TimeoutError:
            return


async def _finish(tasks: Collection[asyncio.Task[None]], until_s: float) -> None:
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=max(0.0, until_s - asyncio.get_running_loop().time()))
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
