"""
The seams: what the use cases need from the outside world, each a Protocol with several fillings.

`tests/contracts/` holds one suite per port and runs it on every filling.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from server.domain.bill import Bill
from server.domain.day_stats import DayStats, Trace, TraceKind, Visitor
from server.domain.delivery import Delivery, DeliveryState
from server.domain.document import Order, OrderState, Payment, Refund
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, RefundProgressed, TradeType
from server.domain.notify import Notify, NotifyFilter
from server.domain.prepaid import Prepaid
from server.domain.reconciliation import Reconciliation
from server.domain.rewards import Reward
from server.domain.user import User

# One link shown to a crowd must not fill the disk; the statistics only ask whether there was anybody.
MAX_TRACES: Final = 200


class Clock(Protocol):
    """Wall time, handed in so that a test can choose it."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""
        ...


class KeyClaim(Struct, frozen=True):
    """What an Idempotency-Key stands for: the order it made, the hash of the request that made it, and when."""

    order_id: str
    body_sha256: str
    claimed_at_ms: int


class Store(Protocol):
    """
    Where orders live. A write that returned survives a power cut; every method may raise StoreUnavailable, after which
    it is unknown whether a write happened.
    """

    async def insert(self, order: Order) -> None:
        """
        Keep a new order.

        Raises:
            DuplicateOrder: The id is taken.
        """
        ...

    async def get(self, order_id: str) -> Order:
        """
        Return the order as last written.

        Raises:
            OrderNotFound: There is none.
            StoreCorrupt: Its document cannot be read.
        """
        ...

    async def get_many(self, order_ids: Sequence[str]) -> Sequence[Order]:
        """
        Return those of these orders that are there and can be read, each once, in any order, in one read.

        What is missing or unreadable is left out: it must not cost the watchers of the others their news.
        """
        ...

    async def replace(self, order: Order, *, was_rev: int) -> bool:
        """Put this order in place of the one with `was_rev`; False, and nothing written, if somebody was faster."""
        ...

    async def claim_due(self, now_ms: int, *, lease_ms: int, limit: int) -> Sequence[Order]:
        """Return up to `limit` orders with an effect due, earliest first; nobody else is given them for `lease_ms`."""
        ...

    async def list_by_initiator(
        self, openid: str, *, before: str | None, limit: int, states: Sequence[OrderState] = tuple(OrderState)
    ) -> Sequence[Order]:
        """Return this person's orders in these states, newest first, only those below `before` if an id is given."""
        ...

    async def scan(self, *, after: str, before: str, limit: int) -> Sequence[Order]:
        """
        Return the first `limit` orders with `after` < `order_id` < `before`, oldest first; ids begin with their time.

        What is unreadable is left out and the next one takes its place: fewer than `limit` means that there are no
        more, and else the last one's id is the next call's `after`.
        """
        ...

    async def list_orders(self, *, from_id: str, before: str, state: OrderState | None, limit: int) -> Sequence[Order]:
        """Return orders with `from_id <= order_id < before`, newest first, only those in this state if one is given."""
        ...

    async def claim_key(self, key: str, claim: KeyClaim) -> KeyClaim:
        """Return what this key stands for: `claim` if it is new, else what was claimed first."""
        ...

    async def forget_keys(self, *, before_ms: int, limit: int) -> int:
        """Forget up to `limit` keys claimed before this time; return how many they were."""
        ...

    async def find_key(self, key: str) -> KeyClaim | None:
        """Return what was claimed under this key, if anything was."""
        ...

    async def find_user(self, openid: str) -> User | None:
        """Return this user, if he was ever remembered."""
        ...

    async def remember_user(self, user: User) -> User:
        """Keep name and avatar; return the user with the `first_seen_ms` and `brought_by` of the very first time."""
        ...

    async def bring_user(self, openid: str, *, brought_by: str) -> None:
        """Keep who brought this user, unless somebody did before. Nothing happens if there is no such user."""
        ...

    async def grant_reward(self, reward: Reward) -> bool:
        """Keep this reward; False, and nothing written, if its `reward_id` is there already."""
        ...

    async def take_back_reward(self, reward_id: str, at_ms: int) -> None:
        """Mark this reward as taken back, unless there is none or it was taken back before."""
        ...

    async def rewards_of(self, openid: str, *, limit: int) -> Sequence[Reward]:
        """Return this person's newest rewards, newest first, those taken back among them."""
        ...

    async def ping(self) -> None:
        """Return if the store can read and write now."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and let go of everything."""
        ...


class Journal(Protocol):
    """
    Notifies as they came. Nothing true depends on it: what is in here may be lost, and WeChat is answered before it is
    written. Every method may raise StoreUnavailable.
    """

    async def keep(self, notifies: Sequence[Notify]) -> None:
        """Write these down together; one that is there already is left as it is."""
        ...

    async def get(self, notify_id: str) -> Notify:
        """
        Return this notify.

        Raises:
            NotifyNotFound: There is none, or none any more.
            StoreCorrupt: It cannot be read.
        """
        ...

    async def find(self, wanted: NotifyFilter, *, limit: int) -> Sequence[Notify]:
        """Return up to `limit` of the notifies that fit, newest first; what cannot be read is left out."""
        ...

    async def forget(self, *, before_ms: int, limit: int) -> int:
        """Forget up to `limit` notifies received before this time; return how many they were."""
        ...


class Reconciliations(Protocol):
    """
    The reports of the days that were compared with WeChat's bill, one a day, and who is at it.

    Every method may raise StoreUnavailable.
    """

    async def claim(self, day: str, *, now_ms: int, lease_ms: int) -> bool:
        """
        Take this day on, unless it has a report or somebody else took it on; True for one caller alone.

        Whoever has not kept a report within `lease_ms` loses the day to the next.
        """
        ...

    async def keep(self, report: Reconciliation) -> None:
        """Keep this day's report in place of any other."""
        ...

    async def newest(self, *, limit: int) -> Sequence[Reconciliation]:
        """Return the reports of the newest days, newest first."""


class StatsStore(Protocol):
    """
    What the statistics keep beside the orders, and what they ask of people and orders. Lives in the same database as
    the Store, and ends with it. Every method may raise StoreUnavailable.
    """

    async def leave_trace(self, trace: Trace) -> None:
        """Keep this trace unless its like is there; beyond `MAX_TRACES` of an order nothing is kept."""
        ...

    async def traces(self, *, first: str, last: str) -> Mapping[str, frozenset[TraceKind]]:
        """Return by order id what was done to the links of the orders from `first` to `last`, if anything was."""
        ...

    async def visitors(self, order_id: str, *, limit: int) -> Sequence[Visitor]:
        """Return who opened this order's link, who came last first; whoever is no user any more is left out."""
        ...

    async def last_orders(self, openids: Collection[str], *, before: str) -> Mapping[str, str]:
        """Return by initiator the newest of his orders with an id below `before`; who has none is left out."""
        ...

    async def unbrought(self, openids: Collection[str]) -> Mapping[str, int]:
        """Return by openid the `first_seen_ms` of those users of whom nobody knows yet who brought them."""
        ...

    async def count_newcomers(self, *, from_ms: int, before_ms: int) -> int:
        """Return how many users brought by somebody were first seen at `from_ms` or later, but before `before_ms`."""
        ...

    async def keep_rollup(self, rollup: DayStats) -> None:
        """Keep this in place of the day's roll-up, unless the one there has a higher `as_of_ms`."""
        ...

    async def rollups(self, *, first: str, last: str) -> Sequence[DayStats]:
        """Return the roll-ups of the days from `first` to `last`, in their order; days that have none are left out."""
        ...


class StatsTurn(Protocol):
    """
    Whose turn it is to add days up, of all the processes that have one store, and what the others heard meanwhile.

    A lease, and no lock that truth depends on: days that two processes add up come out the same. Every method may raise
    StoreUnavailable.
    """

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> bool:
        """Take the turn for so long, or longer than before; False if it is somebody else's."""
        ...

    async def give_back(self, holder: str) -> None:
        """End the turn, if it is this holder's."""
        ...

    async def tell(self, days: Collection[str]) -> None:
        """Have whoever has the turn hear that something changed on these days (at least one)."""
        ...

    async def told(self) -> frozenset[str]:
        """Return the days that were told since this was last asked."""
        ...


class Deliveries(Protocol):
    """
    The log of what the merchant's endpoints are told, which is also what is left to tell them.

    A write that returned survives a power cut; every method may raise StoreUnavailable, after which it is unknown
    whether a write happened.
    """

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Keep these, one after the other; those whose id is there already stay as they are."""
        ...

    async def get(self, delivery_id: str) -> Delivery | None: ...

    async def due(self, endpoint: str, now_ms: int, *, limit: int) -> Sequence[Delivery]:
        """Return up to `limit` of this endpoint's deliveries that are due, earliest first."""
        ...

    async def waiting(self, order_id: str, endpoint: str, *, limit: int) -> Sequence[Delivery]:
        """Return the first of what this endpoint has not yet heard of this order, due or not, in its order."""
        ...

    async def replace(self, delivery: Delivery, *, was_rev: int) -> bool:
        """Put it in place of the one with `was_rev`; False, and nothing written, if somebody was faster."""
        ...

    async def latest(self, *, state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
        """Return the newest deliveries, newest first, only those in this state if one is given."""
        ...

    async def of_order(self, order_id: str, *, limit: int) -> Sequence[Delivery]:
        """Return the newest of what was or will be told of this order, newest first, whoever is told."""
        ...

    async def of_endpoint(self, endpoint: str, state: DeliveryState, *, limit: int) -> Sequence[Delivery]:
        """Return the newest of this endpoint's deliveries in this state, newest first."""
        ...

    async def count(self, endpoint: str, state: DeliveryState, *, limit: int) -> int:
        """Return how many of this endpoint's deliveries are in this state; counting ends at `limit`."""
        ...

    async def forget(self, *, before_ms: int, limit: int) -> int:
        """Forget up to `limit` deliveries made before this time; return how many they were."""
        ...


class WebhookSender(Protocol):
    """One endpoint of the merchant."""

    async def send(self, event_id: str, body: bytes, *, now_s: int) -> None:
        """
        Return when the endpoint took this event; it may take it twice.

        Raises:
            WebhookFailed: It did not, or nobody knows.
        """
        ...

    async def aclose(self) -> None: ...


class Bus(Protocol):
    """
    News between processes. A hint, not a record: messages may be lost, doubled or late, and each of them is harmless,
    because `rev` says which state is newer.
    """

    async def publish(self, order: Order) -> None:
        """Tell every process that watches this order. Never raises: the truth is in the store already."""
        ...

    async def publish_visit(self, order_id: str) -> None:
        """Tell every process that has this order's initiator that its link was opened. Never raises, likewise."""
        ...

    @property
    def is_deaf(self) -> bool:
        """Has news of other processes stopped coming through? Watchers are then served late, by reading again."""
        ...

    async def aclose(self) -> None: ...


class Cache(Protocol):
    """Small strings with a time to live. Anything may vanish at any time; nothing true depends on it."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str, *, ttl_s: int) -> None: ...

    async def delete(self, key: str) -> None: ...

    async def add(self, key: str, value: str, *, ttl_s: int) -> bool:
        """
        Keep this value unless the key has one; False only if it is known to have one.

        True is a right of way, not a lock that money may depend on: everybody gets it while nobody can tell.
        """
        ...

    async def delete_if(self, key: str, value: str) -> None:
        """Delete the key if this is its value: whoever added it lets go of it, and of nobody else's."""
        ...

    async def put_newest(self, key: str, value: str, *, ttl_s: int) -> None:
        """Keep this value, which begins with a whole number, unless the one there begins with a larger number."""
        ...

    async def count(self, key: str, *, ttl_s: int) -> int:
        """Return how often this key was counted, with this time, since the first of `ttl_s`; 0 if nobody can tell."""
        ...

    async def aclose(self) -> None: ...


class PayGateway(Protocol):
    """
    WeChat Pay for one merchant, over whichever of its APIs an attempt belongs to.

    Every method may raise WeChatUnavailable (outcome unknown: never a state, always a later query) and
    WeChatRefused with WeChat's `err_code`, in API v2's spelling where both APIs have one.
    """

    @property
    def trade_types(self) -> frozenset[TradeType]:
        """How friends can pay this merchant."""
        ...

    async def prepay(self, order: Order, payment: Payment) -> Prepaid:
        """
        Return what opens the cashier for this attempt. Safe to repeat: the parameters are the attempt's own. When it
        ends is for the caller to say, who knows the time.

        Raises:
            WeChatRefused: ORDERPAID, ORDERCLOSED, OUT_TRADE_NO_USED, INVALID_REQUEST, …
        """
        ...

    async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
        """
        Ask how this attempt stands. `evidence` is written into a confirmation.

        Raises:
            WeChatRefused: ORDERNOTEXIST when WeChat never heard of it.
        """
        ...

    async def close(self, payment: Payment) -> None:
        """
        Close this attempt, so that nobody can pay it any more; fine if it is closed already.

        Raises:
            WeChatRefused: ORDERPAID when the friend was faster.
        """
        ...

    async def refund(self, order: Order, payment: Payment, refund: Refund) -> RefundProgressed:
        """
        Ask WeChat to pay this refund; what comes back says that it was accepted, not that it was paid. Safe to repeat:
        the number is the refund's own.

        Raises:
            WeChatRefused: NOTENOUGH, TRADE_OVERDUE, USER_ACCOUNT_ABNORMAL, ERROR, …
        """
        ...

    async def query_refund(self, payment: Payment, refund: Refund) -> RefundProgressed:
        """
        Ask how this refund stands. An answer about another payment or amount is none: WeChatUnavailable.

        Raises:
            WeChatRefused: REFUNDNOTEXIST when WeChat never accepted it.
        """
        ...

    async def download_bill(self, day: date) -> Bill:
        """
        Return what WeChat booked on this day in Beijing. Takes up to a minute.

        Raises:
            NoBill: No trade on this day, or it is too early to ask.
            MalformedBill: What came is no bill, or does not add up.
        """
        ...

    def client_params(
        self, payment: Payment, prepaid: Prepaid, *, return_url: str, now_s: int, nonce: str
    ) -> dict[str, str | int]:
        """
        Return what the friend's client hands to WeChat, by trade type: signed parameters for WeixinJSBridge, a
        mini-program or an app; a code to show; or a link to open, from which the browser comes back to `return_url`.
        """
        ...

    async def aclose(self) -> None: ...


class Scope(StrEnum):
    """What a login asks for: silently who somebody is, or, if he agrees, his name and avatar as well."""

    BASE = "snsapi_base"
    USERINFO = "snsapi_userinfo"


class WeChatUser(Struct, frozen=True):
    """
    What WeChat tells of a person who logged in: after a silent login no name. A snapshot user looked without logging in
    and cannot pay.
    """

    openid: str
    name: str
    avatar: str
    is_snapshot: bool = False


class LoginGateway(Protocol):
    """WeChat's OAuth for one official account."""

    def authorize_url(self, *, redirect_uri: str, state: str, scope: Scope) -> str:
        """Return where to send the browser; it comes back to `redirect_uri?code=…&state=…`."""
        ...

    async def redeem(self, code: str) -> WeChatUser:
        """
        Turn a code into a person. A code works once and for five minutes.

        Raises:
            LoginRefused: The code is wrong, used or too old.
            WeChatUnavailable: No believable answer; the code may be spent.
        """
        ...

    async def aclose(self) -> None: ...
