"""What a payment earns: for both, for nobody who pays for himself, and under ids of its own."""

from msgspec.structs import replace

from server.domain.document import Order
from server.domain.rewards import RewardKind, RewardRule, relation_key, reward_ids, rewards_for
from tests.builders import NOW_MS, ORDER_ID, a_person, after, an_order, attempt_no, paid, refund_asked, started

RULE = RewardRule(initiator_points=10, payer_points=5)


def a_paid_order(payer: str = "小明") -> Order:
    return after(an_order(), started(payer), paid())


def test_both_the_initiator_and_the_payer_earn_their_points() -> None:
    order = a_paid_order()

    rewards = rewards_for(order, order.payments[0], RULE, now_ms=NOW_MS)

    assert [(r.openid, r.kind, r.points, r.order_id, r.at_ms) for r in rewards] == [
        (a_person("阿花").openid, RewardKind.INITIATOR, 10, ORDER_ID, NOW_MS),
        (a_person("小明").openid, RewardKind.PAYER, 5, ORDER_ID, NOW_MS),
    ]


def test_the_ids_follow_from_the_payment_alone() -> None:
    order = a_paid_order()

    rewards = rewards_for(order, order.payments[0], RULE, now_ms=NOW_MS)
    again = rewards_for(order, order.payments[0], replace(RULE, payer_points=7), now_ms=NOW_MS + 1)

    assert [r.reward_id for r in rewards] == [r.reward_id for r in again] == [*reward_ids(order.payments[0])]
    assert reward_ids(order.payments[0]) == (f"{attempt_no(1)}:initiator", f"{attempt_no(1)}:payer")


def test_no_points_are_no_reward() -> None:
    order = a_paid_order()

    rewards = rewards_for(order, order.payments[0], replace(RULE, initiator_points=0), now_ms=NOW_MS)

    assert [reward.kind for reward in rewards] == [RewardKind.PAYER]


def test_paying_oneself_earns_nothing() -> None:
    order = a_paid_order("阿花")

    assert rewards_for(order, order.payments[0], RULE, now_ms=NOW_MS) == ()


def test_money_that_is_all_on_its_way_back_earns_nothing_and_a_part_of_it_does() -> None:
    part = after(a_paid_order(), refund_asked(1, 40))
    whole = after(part, refund_asked())

    assert len(rewards_for(part, part.payments[0], RULE, now_ms=NOW_MS)) == 2
    assert rewards_for(whole, whole.payments[0], RULE, now_ms=NOW_MS) == ()


def test_a_pair_goes_by_who_asked_and_who_paid() -> None:
    order = a_paid_order()

    assert relation_key(order, order.payments[0]) == "pay_relation:openid-of-阿花:openid-of-小明"
