"""
What must still happen for an order, kept inside it.

An effect is written by the same compare-and-set as the fact that caused it, so no crash can separate the two. A relay
runs what is due and strikes it off with an event of its own. An effect nobody can run yet stays where it is, and makes
no order due.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

# Gaps between one query and the next while a payment is open; the last one repeats.
QUERY_GAPS_S: Final = (5, 15, 30, 60, 180, 300, 600, 1800, 3600)

# WeChat refuses to close an attempt younger than this.  Source: WeChat Pay API v2, "close order".
CLOSE_NOT_BEFORE_S: Final = 300

# Gaps between one question after a refund and the next; the last one repeats. WeChat: ask for the first time about a
# minute after it was accepted.  Source: API v2, "refund query".
REFUND_QUERY_GAPS_S: Final = (60, 180, 600, 1800, 3600)

# Everything else that failed is tried again after twice the time, up to an hour.
BACK_OFF_S: Final = 5
LONGEST_BACK_OFF_S: Final = 3600


class EffectKind(StrEnum):
    QUERY = "query"  # ask WeChat whether this attempt is paid
    CLOSE = "close"  # close this attempt at WeChat
    EXPIRE = "expire"  # the order's time is over
    REFUND = "refund"  # pay this refund
    QUERY_REFUND = "query_refund"  # ask WeChat how this refund went
    REWARD = "reward"  # grant what this payment earned
    TAKE_BACK_REWARD = "take_back_reward"  # the payment was refunded
    WEBHOOK = "webhook"  # tell the merchant's server
    TELL_INITIATOR = "tell_initiator"  # message an initiator who is not watching


_LADDERS: Final[Mapping[EffectKind, tuple[int, ...]]] = {
    EffectKind.QUERY: QUERY_GAPS_S,
    EffectKind.QUERY_REFUND: REFUND_QUERY_GAPS_S,
}


class Effect(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One thing to do, not before `due_at_ms`; `key` is unique within the order and fixes every number the effect uses.

    `about` is the `out_trade_no`, `out_refund_no` or event name it concerns; `number` counts the events the merchant is
    told of. A parked effect waits for a person.
    """

    kind: EffectKind
    about: str
    due_at_ms: int
    number: int = 0
    tries: int = 0
    reason: str = ""
    parked: bool = False

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.about}" if self.about else str(self.kind)

    @property
    def is_waiting(self) -> bool:
        """Will the relay run it when its time comes?"""
        return not self.parked


Effects = tuple[Effect, ...]


def with_effect(effects: Effects, *new: Effect) -> Effects:
    """Add each new effect unless one with its key is there: a cause that repeats does not repeat its effect."""
    have = {effect.key for effect in effects}
    return effects + tuple(effect for effect in new if effect.key not in have)


def without(effects: Effects, *keys: str) -> Effects:
    """Strike off the effects with these keys; the same tuple when there is none."""
    left = tuple(effect for effect in effects if effect.key not in keys)
    return effects if len(left) == len(effects) else left


def due_at_ms(effects: Effects) -> int | None:
    """Return when the earliest effect wants to run, or None when nothing waits (parked ones wait for a person)."""
    return min((effect.due_at_ms for effect in effects if effect.is_waiting), default=None)


def due_effects(effects: Effects, now_ms: int) -> Effects:
    """Return what is to be run now, the longest overdue first."""
    due = (effect for effect in effects if effect.is_waiting and effect.due_at_ms <= now_ms)
    return tuple(sorted(due, key=lambda effect: effect.due_at_ms))


def last_asked_at_ms(question: Effect) -> int:
    """Return when WeChat was last asked this or, if never, when the question was planned; it must not be due yet."""
    ladder = _LADDERS[question.kind]
    return question.due_at_ms - ladder[min(question.tries, len(ladder) - 1)] * 1000


def gap_ms(effect: Effect, *, jitter: float) -> int:
    """
    Return how long to wait after this try that brought no end.

    Args:
        jitter: A random number from 0 to 1. Questions go by their ladder and use none; everything else backs off with
            full jitter, so that what failed together does not come again together.
    """
    ladder = _LADDERS.get(effect.kind)
    if ladder is not None:
        return ladder[min(effect.tries + 1, len(ladder) - 1)] * 1000
    longest_s = min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2 ** min(effect.tries, 20))
    return 1000 + int(jitter * longest_s * 1000)
