"""What effects are run with, and the words every one of them shares."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from server.domain.document import Order
from server.domain.effects import Effect, gap_ms
from server.domain.events import EffectPostponed, Event
from server.domain.rewards import RewardRule
from server.metrics import Metrics
from server.ports import Bus, Cache, Clock, PayGateway, Store
from server.usecases.outbox import Outbox
from server.usecases.pace import Pace
from server.usecases.teller import Teller

log: Final = structlog.get_logger("server.relay")

# What came of running an effect: facts, in the order in which they happened to the order.
Outcome = tuple[Event, ...]


@dataclass(frozen=True)
class Means:
    """
    `origin` is daifu's public address; without a `teller` initiators are sent no messages; `jitter` returns a random
    number from 0 to 1.
    """

    store: Store
    bus: Bus
    cache: Cache
    gateway: PayGateway
    clock: Clock
    rule: RewardRule
    outbox: Outbox
    origin: str
    teller: Teller | None = None
    pace: Pace = field(default_factory=Pace)
    metrics: Metrics = field(default_factory=Metrics)
    jitter: Callable[[], float] = random.random


# Runs one effect of an order. Safe to repeat at any time, also by two processes at once.
Runner = Callable[[Order, Effect, Means], Awaitable[Outcome]]


def postponed(effect: Effect, reason: str, means: Means) -> EffectPostponed:
    """Return that this try brought no end: the next one comes by the effect's ladder or back-off."""
    due_at_ms = means.clock.now_ms() + gap_ms(effect, jitter=means.jitter())
    return EffectPostponed(key=effect.key, due_at_ms=due_at_ms, reason=reason)


def alarm(event: str, order: Order, effect: Effect, reason: str) -> None:
    """Somebody has to look: codes and numbers only."""
    log.critical(event, order_id=order.order_id, effect=effect.key, tries=effect.tries, reason=reason)
