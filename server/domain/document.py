"""
The document: what a store keeps of an order, whole.

Frozen values, written as JSON. Times are Unix milliseconds, money is whole fen. What may happen to it is `order.py`'s.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from server.domain.effects import Effect, EffectKind, Effects, due_at_ms
from server.domain.events import Evidence, PayApi, Person, RefundReason, RefundState, TradeState, TradeType
from server.domain.money import Fen
from server.errors import UnknownAttempt

ORDER_ID_LENGTH: Final = 26  # a ULID
MAX_ENTRIES: Final = 100


class OrderState(StrEnum):
    OPEN = "OPEN"
    PAID = "PAID"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    REFUNDED = "REFUNDED"


class Refund(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Money on its way back. `out_refund_no` is fixed before the first call, so that a repeat cannot refund twice.

    `accepted_at_ms` is when WeChat first said anything of it; the next part of the same payment keeps a distance.
    `asked_by` says which request asked for it, so that its repeat asks for nothing more. `replaced_by` is the number
    under which the money goes back in its place: nothing is owed by this one then. `settled_note` says how a person
    paid it back outside WeChat; `refunded_at_ms` is when he said so.
    """

    out_refund_no: str
    amount: Fen
    reason: RefundReason
    asked_at_ms: int
    asked_by: str = ""
    state: RefundState = RefundState.DUE
    refund_id: str = ""
    accepted_at_ms: int | None = None
    refunded_at_ms: int | None = None
    replaced_by: str = ""
    settled_note: str = ""

    @property
    def counts(self) -> bool:
        """Is it this refund that gives the money back?"""
        return not self.replaced_by

    @property
    def is_owed(self) -> bool:
        return self.counts and not self.state.is_back

    @property
    def is_out_of_hand(self) -> bool:
        """Has a person found another way for its money? Then WeChat must not pay it any more."""
        return bool(self.replaced_by) or self.state is RefundState.SETTLED


class Payment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One friend's attempt at one share.

    `payer` is who pressed pay and, once paid, who paid; `begun_by` is who pressed, where that was somebody else.
    `share` is the share it is meant for and, once paid, the one it took; None when paid and it took none.
    The points are what it earned, as long as they are not taken back. Until `lease_until_ms` other friends are kept off
    that share. After `expires_at_ms` WeChat lets nobody pay it. Nobody is sent to the cashier again with one that
    `is_given_up`, but it stays open until WeChat has closed it.
    `paid_at_ms` is WeChat's time of success, `settled_at_ms` ours of writing it down.
    """

    out_trade_no: str
    payer: Person
    amount: Fen
    share: int | None
    trade_type: TradeType
    client_ip: str
    created_at_ms: int
    expires_at_ms: int
    api: PayApi = PayApi.V2
    lease_until_ms: int = 0
    is_given_up: bool = False
    trade_state: TradeState = TradeState.NOTPAY
    transaction_id: str = ""
    paid_at_ms: int | None = None
    settled_at_ms: int | None = None
    evidence: Evidence | None = None
    refunds: tuple[Refund, ...] = ()
    initiator_points: int = 0
    payer_points: int = 0
    begun_by: str = ""

    def is_of(self, openid: str) -> bool:
        """Did this person, or guest, begin it or pay it?"""
        return openid in (self.payer.openid, self.begun_by)

    @property
    def is_paid(self) -> bool:
        return bool(self.transaction_id)

    @property
    def is_open(self) -> bool:
        """Could this attempt still bring money without anybody calling WeChat again?"""
        return not self.is_paid and self.trade_state is not TradeState.CLOSED

    @property
    def left(self) -> Fen:
        """What of it nobody has asked back."""
        asked = sum(refund.amount for refund in self.refunds if refund.counts)
        return Fen(self.amount - asked) if self.is_paid else Fen(0)


class Entry(Struct, frozen=True, omit_defaults=True):
    """One line of the story people see; `name` is a display name."""

    kind: str
    at_ms: int
    name: str = ""
    amount: int = 0


class Order(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One document. `shares` are the amounts asked for; times are Unix milliseconds.

    `earns` says whether payments of it are rewarded, `tells_merchant` whether the merchant's server hears of it, and
    `tells_initiator` whether its initiator is sent a message of each payment while he does not look, all as it was when
    it was placed. `merchant_events` counts what there was to hear; `merchant_order_no` is the merchant's own number.
    """

    order_id: str
    rev: int
    state: OrderState
    initiator: Person
    title: str
    amount: Fen
    shares: tuple[Fen, ...]
    created_at_ms: int
    expires_at_ms: int
    note: str = ""
    merchant_order_no: str = ""
    earns: bool = False
    tells_initiator: bool = False
    tells_merchant: bool = False
    merchant_events: int = 0
    paid_at_ms: int | None = None
    closed_at_ms: int | None = None
    payments: tuple[Payment, ...] = ()
    effects: Effects = ()
    entries: tuple[Entry, ...] = ()

    @property
    def held_shares(self) -> dict[int, Payment]:
        """Which payment took which share."""
        return {p.share: p for p in self.payments if p.is_paid and p.share is not None}

    @property
    def due_at_ms(self) -> int | None:
        """When the relay should look at this order next."""
        return due_at_ms(self.effects)


class Balance(Struct, frozen=True):
    """Where an order's money is, in fen: `received == kept + refund_due + refunded`, always."""

    received: int
    kept: int
    refund_due: int
    refunded: int


def new_order(
    *,
    order_id: str,
    initiator: Person,
    title: str,
    note: str,
    shares: tuple[Fen, ...],
    now_ms: int,
    expires_at_ms: int,
    merchant_order_no: str = "",
    earns: bool = False,
    tells_initiator: bool = False,
    tells_merchant: bool = False,
) -> Order:
    """Return a fresh order at rev 1 that asks for the sum of `shares`."""
    return Order(
        order_id=order_id,
        rev=1,
        state=OrderState.OPEN,
        initiator=initiator,
        title=title,
        note=note,
        merchant_order_no=merchant_order_no,
        earns=earns,
        tells_initiator=tells_initiator,
        tells_merchant=tells_merchant,
        amount=Fen(sum(shares)),
        shares=shares,
        created_at_ms=now_ms,
        expires_at_ms=expires_at_ms,
        effects=(Effect(kind=EffectKind.EXPIRE, about="", due_at_ms=expires_at_ms),),
        entries=(Entry("created", now_ms, initiator.name),),
    )


def order_id_of(out_trade_no: str) -> str:
    """Read the order's id back from an attempt's (or refund's) number."""
    return out_trade_no[:ORDER_ID_LENGTH]


def balance(order: Order) -> Balance:
    """Add up an order's money from its payments and refunds."""
    paid = [p for p in order.payments if p.is_paid]
    refunds = [r for p in paid for r in p.refunds if r.counts]
    return Balance(
        received=sum(p.amount for p in paid),
        kept=sum(p.left for p in order.held_shares.values()),
        refund_due=sum(r.amount for r in refunds if r.is_owed),
        refunded=sum(r.amount for r in refunds if r.state.is_back),
    )


def find_attempt(order: Order, out_trade_no: str) -> Payment:
    """
    Return the attempt with this number.

    Raises:
        UnknownAttempt: The order has none.
    """
    for payment in order.payments:
        if payment.out_trade_no == out_trade_no:
            return payment
    raise UnknownAttempt(out_trade_no)


def put(order: Order, old: Payment, new: Payment) -> Order:
    """Return the order with `new` in the place of `old`."""
    return replace(order, payments=tuple(new if p is old else p for p in order.payments))


def told(order: Order, entry: Entry) -> tuple[Entry, ...]:
    """Return the order's story with one more line; the oldest ones give way."""
    return (*order.entries, entry)[-MAX_ENTRIES:]


def open_attempt_of(order: Order, openid: str, trade_type: TradeType, now_ms: int) -> Payment | None:
    """Return this friend's newest attempt that he can still pay, if he has one."""
    for payment in reversed(order.payments):
        is_his = payment.payer.openid == openid and payment.trade_type is trade_type
        if is_his and payment.is_open and not payment.is_given_up:
            return payment if payment.expires_at_ms > now_ms else None
    return None
