"""
Whatever happens, in whatever order and however often: the money adds up.

A `RuleBasedStateMachine` throws every event at random orders and holds each of them against books of its own.
"""

from collections import Counter
from typing import Final

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from server.domain.document import Order, OrderState, balance, find_attempt
from server.domain.effects import EffectKind
from server.domain.events import (
    CloseRequested,
    EffectFinished,
    EffectParked,
    EffectPostponed,
    EffectResumed,
    Event,
    OrderExpired,
    RefundAskedAgain,
    RefundReported,
    RefundSettledByHand,
    RefundState,
    TradeState,
    TradeType,
)
from server.domain.money import Fen, split_equally
from server.domain.order import apply
from server.domain.public_order import public_order
from server.errors import OrderError
from tests.builders import (
    EXPIRES_AT_MS,
    LEASE_MS,
    MINUTE_MS,
    NOW_MS,
    a_person,
    an_order,
    attempt_no,
    paid,
    refund_asked,
    refund_is,
    refund_no,
    released,
    started,
    unpaid,
)
from tests.domain.books import Books

FRIENDS: Final = ("小明", "小红", "小刚")

# Where an order may stand after one event.
GRAPH: Final = {
    OrderState.OPEN: {OrderState.OPEN, OrderState.PAID, OrderState.CLOSING, OrderState.CLOSED},
    OrderState.CLOSING: {OrderState.CLOSING, OrderState.PAID, OrderState.CLOSED},
    OrderState.PAID: {OrderState.PAID, OrderState.REFUNDED},
    OrderState.CLOSED: {OrderState.CLOSED},
    OrderState.REFUNDED: {OrderState.REFUNDED},
}

# The other kinds are struck off by the fact they wait for, never as merely "finished".
FINISHED_BY_RUNNING: Final = (
    EffectKind.REWARD,
    EffectKind.TAKE_BACK_REWARD,
    EffectKind.WEBHOOK,
    EffectKind.TELL_INITIATOR,
)

UNDER_WAY: Final = (RefundState.PROCESSING, RefundState.ABNORMAL, RefundState.CLOSED)
SAID_BY_WECHAT: Final = [state for state in RefundState if state is not RefundState.SETTLED]

amounts = st.integers(min_value=1, max_value=4).map(Fen)
shares = st.one_of(
    st.lists(amounts, min_size=1, max_size=4).map(tuple),
    st.builds(split_equally, st.integers(min_value=4, max_value=9).map(Fen), st.integers(min_value=1, max_value=4)),
)
trade_types = st.sampled_from([TradeType.JSAPI, TradeType.NATIVE])
picks = st.integers(min_value=0, max_value=99)


class OrderLife(RuleBasedStateMachine):
    order: Order
    books: Books

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = NOW_MS
        self.refund_numbers: dict[str, tuple[str, Fen]] = {}

    @initialize(shares=shares, pressed=st.integers(min_value=0, max_value=len(FRIENDS)))
    def place(self, shares: tuple[Fen, ...], pressed: int) -> None:
        self.order = an_order(*shares)
        self.books = Books(free=Counter(shares))
        for friend in FRIENDS[:pressed]:
            self.press_pay(friend, 0, TradeType.JSAPI)

    def happen(self, event: Event) -> bool:
        """Let it happen; False if the order refuses. Anything else that is raised is a bug and fails the run."""
        before = self.order
        try:
            now = apply(before, event, now_ms=self.now_ms)
        except OrderError:
            return False
        if now is not before:
            assert now.rev == before.rev + 1
            assert replace(now, rev=before.rev) != before, "rev rose though nothing changed"
        assert now.state in GRAPH[before.state]
        self.order = now
        return True

    def refused(self, event: Event) -> None:
        assert not self.happen(event)

    def pick_attempt(self, pick: int) -> int:
        numbers = sorted(self.books.attempts)
        return numbers[pick % len(numbers)]

    def refunds(self) -> list[tuple[int, int, int]]:
        """Line, place and amount (fen) of each refund WeChat may be asked for."""
        lines = enumerate(self.order.payments, start=1)
        return [(i, n, refund.amount) for i, payment in lines for n, refund in enumerate(payment.refunds, start=1)]

    # Friends

    @rule(friend=st.sampled_from(FRIENDS), lease_ms=st.sampled_from([0, LEASE_MS]), trade_type=trade_types)
    def press_pay(self, friend: str, lease_ms: int, trade_type: TradeType) -> None:
        known = len(self.order.payments)
        self.happen(started(friend, lease_ms=lease_ms, trade_type=trade_type))
        for number, payment in enumerate(self.order.payments[known:], start=known + 1):
            self.books.attempts[number] = payment.amount
            self.books.open.add(number)

    @precondition(lambda self: self.books.attempts)
    @rule(pick=picks)
    def leave_cashier(self, pick: int) -> None:
        self.happen(released(self.pick_attempt(pick)))

    # WeChat

    @precondition(lambda self: self.books.attempts)
    @rule(pick=picks)
    def money_comes(self, pick: int) -> None:
        number = self.pick_attempt(pick)
        transaction_id = f"T{len(self.books.took)}"
        assert self.happen(paid(number, amount=self.books.attempts[number], transaction_id=transaction_id))
        self.books.pay(number, transaction_id)

    @precondition(lambda self: self.books.took)
    @rule(pick=picks)
    def a_payment_is_told_again(self, pick: int) -> None:
        transaction_id = sorted(self.books.took)[pick % len(self.books.took)]
        number, amount = self.books.took[transaction_id]
        before = self.order
        assert self.happen(paid(number, amount=amount, transaction_id=transaction_id))
        assert self.order is before

    @precondition(lambda self: self.books.attempts)
    @rule(pick=picks, wrong=st.sampled_from(["amount", "currency", "payer", "number"]))
    def money_that_does_not_fit_comes(self, pick: int, wrong: str) -> None:
        number = self.pick_attempt(pick)
        amount = self.books.attempts[number]
        if wrong == "payer" and not find_attempt(self.order, attempt_no(number)).trade_type.binds_payer:
            wrong = "amount"  # a code is paid by whoever scans it
        money = {
            "amount": paid(number, amount=amount + 1, transaction_id="new"),
            "currency": paid(number, amount=amount, transaction_id="new", fee_type="USD"),
            "payer": paid(number, amount=amount, transaction_id="new", openid="openid-of-nobody"),
            "number": paid(999, amount=amount, transaction_id="new"),
        }
        self.refused(money[wrong])

    @precondition(lambda self: self.books.took)
    @rule(pick=picks)
    def a_transaction_is_told_for_another_attempt(self, pick: int) -> None:
        number = self.pick_attempt(pick)
        for transaction_id, (paid_number, _) in self.books.took.items():
            if paid_number != number:
                self.refused(paid(number, amount=self.books.attempts[number], transaction_id=transaction_id))

    @precondition(lambda self: self.books.attempts)
    @rule(pick=picks, state=st.sampled_from(["NOTPAY", "USERPAYING", "PAYERROR", "CLOSED"]))
    def an_attempt_is_told_unpaid(self, pick: int, state: str) -> None:
        number = self.pick_attempt(pick)
        assert self.happen(unpaid(number, TradeState(state)))
        if state == TradeState.CLOSED:
            self.books.open.discard(number)
            self.books.finish_closing()

    @precondition(lambda self: self.refunds())
    @rule(pick=picks, state=st.sampled_from(SAID_BY_WECHAT))
    def a_refund_is_told(self, pick: int, state: RefundState) -> None:
        refunds = self.refunds()
        line, refund, amount = refunds[pick % len(refunds)]
        if state is RefundState.SUCCESS and (line, refund) in self.books.by_person:
            self.refused(refund_is(state, line, refund))  # it was paid another way: a person has to look
            return
        assert self.happen(refund_is(state, line, refund))
        if state is RefundState.SUCCESS:
            self.books.refund_arrives(line, refund, amount)
        elif state.is_stuck:
            self.books.refund_is_stuck(line, refund, closed=state is RefundState.CLOSED)

    @precondition(lambda self: self.refunds())
    @rule(pick=picks)
    def word_of_a_refund_comes(self, pick: int) -> None:
        refunds = self.refunds()
        line, refund, _ = refunds[pick % len(refunds)]
        self.happen(RefundReported(refund_no(line, refund)))

    # The operator

    @precondition(lambda self: self.refunds())
    @rule(pick=picks)
    def a_refund_is_asked_for_again(self, pick: int) -> None:
        refunds = self.refunds()
        line, refund, _ = refunds[pick % len(refunds)]
        before = self.order
        done = self.happen(RefundAskedAgain(refund_no(line, refund)))
        if self.books.ask_again(line, refund):
            assert done
            assert len(self.refunds()) == len(refunds) + 1
        else:
            assert self.order is before

    @precondition(lambda self: self.refunds())
    @rule(pick=picks)
    def a_refund_is_settled_by_hand(self, pick: int) -> None:
        refunds = self.refunds()
        line, refund, amount = refunds[pick % len(refunds)]
        before = self.order
        done = self.happen(RefundSettledByHand(refund_no(line, refund), "paid in cash"))
        if self.books.settle(line, refund, amount):
            assert done
        else:
            assert self.order is before

    # The initiator, the merchant, the relay, time

    @precondition(lambda self: self.books.attempts)
    @rule(event=st.sampled_from([CloseRequested(), OrderExpired()]))
    def the_order_is_to_end(self, event: CloseRequested | OrderExpired) -> None:
        is_early = isinstance(event, OrderExpired) and self.now_ms < EXPIRES_AT_MS
        if self.happen(event) and not is_early:
            self.books.close()

    @precondition(lambda self: self.books.took)
    @rule(pick=st.none() | picks, amount=st.none() | st.integers(min_value=0, max_value=9))
    def money_is_asked_back(self, pick: int | None, amount: int | None) -> None:
        number = None if pick is None else self.pick_attempt(pick)
        self.happen(refund_asked(number, amount))
        self.books.ask_back(number, amount)

    @precondition(lambda self: self.order.effects)
    @rule(pick=picks, how=st.sampled_from(["finished", "postponed", "parked", "resumed"]))
    def the_relay_was_here(self, pick: int, how: str) -> None:
        effect = self.order.effects[pick % len(self.order.effects)]
        if how == "postponed":
            self.happen(EffectPostponed(key=effect.key, due_at_ms=self.now_ms + MINUTE_MS, reason="timeout"))
        elif how == "parked":
            self.happen(EffectParked(effect.key, "NOTENOUGH"))
        elif how == "resumed":
            self.happen(EffectResumed(effect.key))
        elif effect.kind in FINISHED_BY_RUNNING:
            self.happen(EffectFinished(effect.key))

    @rule(minutes=st.integers(min_value=-3, max_value=6))
    def time_moves_and_sometimes_jumps_back(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS

    @rule()
    def the_order_is_written_and_read_back(self) -> None:
        before = self.order
        self.order = msgspec.json.decode(msgspec.json.encode(before), type=Order)
        assert self.order == before

    # What always holds

    @invariant()
    def the_money_is_where_the_books_say(self) -> None:
        here = balance(self.order)
        assert here == self.books.balance
        assert here.received == here.kept + here.refund_due + here.refunded
        assert here.kept <= self.order.amount
        assert min(here.received, here.kept, here.refund_due, here.refunded) >= 0

    @invariant()
    def the_state_is_what_the_books_say(self) -> None:
        assert self.order.state is self.books.state

    @invariant()
    def every_transaction_is_written_down_once(self) -> None:
        assert Counter(p.transaction_id for p in self.order.payments if p.is_paid) == Counter(list(self.books.took))

    @invariant()
    def no_share_is_held_twice_or_for_another_amount(self) -> None:
        holders = [p for p in self.order.payments if p.is_paid and p.share is not None]
        assert len({p.share for p in holders}) == len(holders)
        assert all(p.amount == self.order.shares[p.share] for p in holders if p.share is not None)

    @invariant()
    def a_refund_keeps_its_number_and_amount_for_ever(self) -> None:
        now = {r.out_refund_no: (p.transaction_id, r.amount) for p in self.order.payments for r in p.refunds}
        assert len(now) == len(self.refunds())
        assert now.items() >= self.refund_numbers.items()
        self.refund_numbers = now

    @invariant()
    def nothing_is_given_back_beyond_its_transaction(self) -> None:
        for payment in self.order.payments:
            asked = sum(refund.amount for refund in payment.refunds if not refund.replaced_by)
            assert asked <= payment.amount * payment.is_paid

    @invariant()
    def a_refund_gives_way_to_one_other_of_its_payment_and_amount(self) -> None:
        for payment in self.order.payments:
            amounts = {refund.out_refund_no: refund.amount for refund in payment.refunds}
            replaced = [refund for refund in payment.refunds if refund.replaced_by]
            assert len({refund.replaced_by for refund in replaced}) == len(replaced)
            assert all(amounts[refund.replaced_by] == refund.amount for refund in replaced)

    @invariant()
    def what_must_still_happen_waits_as_an_effect(self) -> None:
        """The relay may have parked it, but nothing that is owed is ever without its effect."""
        keys = [effect.key for effect in self.order.effects]
        open_attempts = [p for p in self.order.payments if p.is_open]
        refunds = [r for p in self.order.payments for r in p.refunds]
        assert len(set(keys)) == len(keys)
        assert {f"query:{p.out_trade_no}" for p in open_attempts} == {key for key in keys if key.startswith("query:")}
        assert {f"refund:{r.out_refund_no}" for r in refunds if r.state is RefundState.DUE} == {
            key for key in keys if key.startswith("refund:")
        }
        under_way = {f"query_refund:{r.out_refund_no}" for r in refunds if r.state in UNDER_WAY and not r.replaced_by}
        unfinished = {f"query_refund:{r.out_refund_no}" for r in refunds if r.state is not RefundState.SUCCESS}
        assert under_way <= {key for key in keys if key.startswith("query_refund:")} <= unfinished
        assert ("expire" in keys) == (self.order.state is OrderState.OPEN)
        if self.order.state is not OrderState.OPEN:
            assert {f"close:{p.out_trade_no}" for p in open_attempts} <= set(keys)

    @invariant()
    def a_friend_has_one_attempt_that_is_not_being_closed(self) -> None:
        closing = {effect.about for effect in self.order.effects if effect.kind is EffectKind.CLOSE}
        live = [p.payer.openid for p in self.order.payments if p.is_open and p.out_trade_no not in closing]
        assert len(set(live)) == len(live)

    @invariant()
    def nobody_is_shown_an_openid(self) -> None:
        for openid in ("", a_person("小明").openid):
            assert b"openid" not in msgspec.json.encode(public_order(self.order, openid))

    def teardown(self) -> None:
        """Once the relay has done everything, the order rests in a last state and nothing is owed any more."""
        if not hasattr(self, "order"):
            return
        self.now_ms = max(self.now_ms, EXPIRES_AT_MS)
        self.the_order_is_to_end(OrderExpired())
        for pick in range(len(self.books.attempts)):
            self.an_attempt_is_told_unpaid(pick, TradeState.CLOSED)
        for pick in range(len(self.refunds())):
            self.a_refund_is_told(pick, RefundState.SUCCESS)
        self.the_money_is_where_the_books_say()
        self.what_must_still_happen_waits_as_an_effect()
        assert self.order.state in (OrderState.PAID, OrderState.CLOSED, OrderState.REFUNDED)
        assert balance(self.order).refund_due == 0
        assert balance(self.order).kept == 0 or self.order.state is OrderState.PAID


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of the order
)
