"""
What can happen to an order.

Past tense: an event is a fact that somebody observed, and `order.apply` says what follows from it.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from server.domain.money import Fen


class TradeType(StrEnum):
    """Where the friend pays; WeChat's words, and `MINIPROGRAM` for JSAPI under the mini-program's appid."""

    JSAPI = "JSAPI"
    MINIPROGRAM = "MINIPROGRAM"
    NATIVE = "NATIVE"
    MWEB = "MWEB"
    APP = "APP"

    @property
    def binds_payer(self) -> bool:
        """
        Can only the friend who pressed pay use such an attempt?

        A code or a link is paid by whoever opens it first, and in an app he has another openid.
        """
        return self in (TradeType.JSAPI, TradeType.MINIPROGRAM)

    @property
    def changes_hands(self) -> bool:
        """
        May another friend pay what one has begun, under an openid by which we know him?

        So a guest, of whom WeChat has told us nothing, can begin such an attempt.
        """
        return self in (TradeType.NATIVE, TradeType.MWEB)


class PayApi(StrEnum):
    """Which of WeChat Pay's APIs an attempt goes by, from its order to its refund."""

    V2 = "v2"
    V3 = "v3"


class TradeState(StrEnum):
    """What WeChat says of one payment attempt."""

    NOTPAY = "NOTPAY"
    USERPAYING = "USERPAYING"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"
    PAYERROR = "PAYERROR"


class Evidence(StrEnum):
    """How we learned that a payment succeeded."""

    NOTIFY = "notify"
    QUERY = "query"
    RETURN = "return"  # the query made when the payer's page came back
    BILL = "bill"


class RefundState(StrEnum):
    """How far a refund has come: each state is further on than the one before, and none goes back."""

    DUE = "DUE"
    PROCESSING = "PROCESSING"
    ABNORMAL = "ABNORMAL"  # WeChat cannot pay it, or not to where it came from: a person has to see to it
    CLOSED = "CLOSED"  # WeChat has ended it and the money stayed: a person has it asked for again, or pays otherwise
    SUCCESS = "SUCCESS"
    SETTLED = "SETTLED"  # a person paid it back outside WeChat's refunds

    @property
    def is_back(self) -> bool:
        """Does the friend have his money?"""
        return self in (RefundState.SUCCESS, RefundState.SETTLED)

    @property
    def is_stuck(self) -> bool:
        """Does WeChat do nothing more about it by itself?"""
        return self in (RefundState.ABNORMAL, RefundState.CLOSED)


class RefundReason(StrEnum):
    SECOND_MONEY = "second_money"  # the share was paid by somebody else
    LATE_MONEY = "late_money"  # the order was closed
    ORDER_CLOSED = "order_closed"  # a share of an order that was never completed
    ASKED = "asked"  # by the initiator or the merchant


# What a guest has in the place of an openid begins so; no openid has a colon in it.
GUEST: Final = "guest:"


class Person(Struct, frozen=True):
    """
    A WeChat user as one official account knows him, or a guest: somebody in another browser, who has no name.

    No page, frame or log shows `openid`. The session cookie holds it, signed.
    """

    openid: str
    name: str
    avatar: str = ""

    @property
    def is_guest(self) -> bool:
        return self.openid.startswith(GUEST)


class PaymentStarted(Struct, frozen=True, kw_only=True):
    """A friend pressed pay. The first press fixes `client_ip` and the times: WeChat compares them on a repeat."""

    payer: Person
    trade_type: TradeType
    client_ip: str
    lease_ms: int
    api: PayApi = PayApi.V2


class LeaseReleased(Struct, frozen=True):
    """The friend left the cashier without paying."""

    out_trade_no: str


class OrderWatched(Struct, frozen=True):
    """Somebody opened the order's page, or came back to it, and waits for what WeChat says."""

    openid: str


class NumberRefused(Struct, frozen=True):
    """WeChat knows this attempt's number with other parameters: it opens the cashier no more, yet may still be paid."""

    out_trade_no: str


class PaymentConfirmed(Struct, frozen=True, kw_only=True):
    """
    WeChat says this attempt is paid. `openid` is empty where the source does not name the payer.

    `trade_type` is WeChat's word, so a mini-program's is JSAPI. `payer` is who has this openid, where that was asked
    and is known.
    """

    out_trade_no: str
    transaction_id: str
    amount: Fen
    openid: str
    paid_at_ms: int
    evidence: Evidence
    fee_type: str = "CNY"
    trade_type: TradeType = TradeType.JSAPI
    payer: Person | None = None


class PaymentUnpaid(Struct, frozen=True):
    """WeChat says this attempt is not paid: `NOTPAY`, `USERPAYING`, `PAYERROR`, or `CLOSED` for good."""

    out_trade_no: str
    trade_state: TradeState


class OrderExpired(Struct, frozen=True):
    """The order's time is over."""


class CloseRequested(Struct, frozen=True):
    """The initiator or the merchant wants the order closed."""


class RefundRequested(Struct, frozen=True, kw_only=True):
    """
    Money is wanted back: of one attempt or, with None, of all. `amount` None means all that is left.

    `asked_by` names the request: what it asked for once, it does not ask for again. Empty for one without a name.
    """

    out_trade_no: str | None = None
    amount: Fen | None = None
    asked_by: str = ""


class RefundProgressed(Struct, frozen=True, kw_only=True):
    """WeChat says how a refund stands. `refund_id` is WeChat's own number, empty until it has one."""

    out_refund_no: str
    state: RefundState
    refund_id: str = ""


class RefundAskedAgain(Struct, frozen=True):
    """A person wants a refund that WeChat closed to be paid under a new number."""

    out_refund_no: str


class RefundSettledByHand(Struct, frozen=True):
    """A person has paid a stuck refund back outside WeChat's refunds; `note` says how, and is the evidence."""

    out_refund_no: str
    note: str


class RefundReported(Struct, frozen=True):
    """WeChat sent word of this refund. No proof of anything, but reason to ask at once."""

    out_refund_no: str


class EffectFinished(Struct, frozen=True):
    """The relay ran this effect; it is struck off."""

    key: str


class PaymentRewarded(Struct, frozen=True, kw_only=True):
    """The ledger holds these points for this payment now (0 and 0: taken back); the effect `key` is struck off."""

    key: str
    out_trade_no: str
    initiator_points: int = 0
    payer_points: int = 0


class EffectPostponed(Struct, frozen=True, kw_only=True):
    """The relay could not finish this effect yet; `reason` is a short code."""

    key: str
    due_at_ms: int
    reason: str


class EffectParked(Struct, frozen=True):
    """This effect cannot succeed without a person; `reason` is a short code."""

    key: str
    reason: str


class EffectResumed(Struct, frozen=True):
    """There is reason to run this effect now: a person has seen to what parked it."""

    key: str


Event = (
    PaymentStarted
    | LeaseReleased
    | OrderWatched
    | NumberRefused
    | PaymentConfirmed
    | PaymentUnpaid
    | OrderExpired
    | CloseRequested
    | RefundRequested
    | RefundProgressed
    | RefundReported
    | RefundAskedAgain
    | RefundSettledByHand
    | EffectFinished
    | PaymentRewarded
    | EffectPostponed
    | EffectParked
    | EffectResumed
)
