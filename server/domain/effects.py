"""
What must still happen for an order, kept inside it.

An effect is written by the same compare-and-set as the fact that caused it, so no crash can separate the two. A relay
runs what is due and strikes it off with an event of its own. An effect nobody can run yet stays where it is.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

# Gaps between one query and the next while a payment is open; the last one repeats.
QUERY_GAPS_S: Final = (5, 15, 30, 60, 180, 300, 600, 1800, 3600)

# WeChat refuses to close an attempt younger than this.  Source: WeChat Pay API v2, "close order".
CLOSE_NOT_BEFORE_S: Final = 300

# WeChat: ask for the result of a refund about a minute after it was accepted.  Source: API v2, "refund query".
REFUND_QUERY_AFTER_S: Final = 60


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


class Effect(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One thing to do, not before `due_at_ms`; `key` is unique within the order and fixes every number the effect uses.

    `about` is the `out_trade_no`, `out_refund_no` or event name it concerns. A parked effect waits for a person.
    """

    kind: EffectKind
    about: str
    due_at_ms: int
    tries: int = 0
    reason: str = ""
    parked: bool = False

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.about}" if self.about else str(self.kind)


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
    return min((effect.due_at_ms for effect in effects if not effect.parked), default=None)
