"""What a payment earns, and for whom. Points, never money: they are counted here and spent elsewhere."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from server.domain.document import Order, Payment

# So long a friend who paid counts as already won by this initiator: paying to and fro earns nothing more.
RELATION_S: Final = 3600


class RewardKind(StrEnum):
    INITIATOR = "initiator"  # found somebody who paid
    PAYER = "payer"  # paid


class RewardRule(Struct, frozen=True, kw_only=True):
    """Points for one payment; 0 for none."""

    initiator_points: int
    payer_points: int


class Reward(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the ledger. `reward_id` follows from payment and kind, so that a second grant is none."""

    reward_id: str
    openid: str
    kind: RewardKind
    points: int
    order_id: str
    at_ms: int
    taken_back_at_ms: int | None = None


def reward_ids(payment: Payment) -> tuple[str, ...]:
    """Return the ids of everything this payment may have earned."""
    return tuple(_reward_id(payment, kind) for kind in RewardKind)


def rewards_for(order: Order, payment: Payment, rule: RewardRule, *, now_ms: int) -> tuple[Reward, ...]:
    """Return what this payment earns: nothing for paying oneself, nothing for money that has all been asked back."""
    if payment.payer.openid == order.initiator.openid or not payment.left:
        return ()
    earned = (
        (RewardKind.INITIATOR, order.initiator.openid, rule.initiator_points),
        (RewardKind.PAYER, payment.payer.openid, rule.payer_points),
    )
    return tuple(
        Reward(
            reward_id=_reward_id(payment, kind),
            openid=openid,
            kind=kind,
            points=points,
            order_id=order.order_id,
            at_ms=now_ms,
        )
        for kind, openid, points in earned
        if points
    )


def relation_key(order: Order, payment: Payment) -> str:
    """Return the cache's key of "this initiator has just won this payer"."""
    return f"pay_relation:{order.initiator.openid}:{payment.payer.openid}"


def _reward_id(payment: Payment, kind: RewardKind) -> str:
    return f"{payment.out_trade_no}:{kind}"  # the number begins with the order's id
