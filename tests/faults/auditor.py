"""
The auditor: holds what is stored against WeChat's own ledger, and knows none of daifu's code.

Orders are read as the plain documents that stand in the store, and added up here a second time, so that a mistake of
the state machine cannot hide behind its own sums. Each complaint begins with the invariant it breaks:

    I1  every fen WeChat took is kept by its order or goes back (at rest: has gone back), never both, never neither
    I2  each share is taken by one payment at most, and an order is paid when all of them are
    I3  a closed order was never paid; a paid one stays so, unless all of it goes back
    I4  each payment that is kept is rewarded once for each kind, and no other is
    I5  a payment whose notify was answered SUCCESS is stored
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

Document = Mapping[str, Any]

# Where an order may go from one state seen to the next one seen.
_LATER: Final[Mapping[str, frozenset[str]]] = {
    "OPEN": frozenset({"CLOSING", "PAID", "CLOSED", "REFUNDED"}),
    "CLOSING": frozenset({"PAID", "CLOSED", "REFUNDED"}),
    "PAID": frozenset({"REFUNDED"}),
    "CLOSED": frozenset(),
    "REFUNDED": frozenset(),
}


@dataclass(frozen=True)
class Stored:
    """What stands in the store; `orders` by order id."""

    orders: Mapping[str, Document]
    rewards: Sequence[Document]


@dataclass(frozen=True)
class Ledger:
    """What WeChat knows: money by transaction, refunds by number, and whose notify was answered SUCCESS."""

    paid: Mapping[str, Document]
    refunds: Mapping[str, Document]
    answered: frozenset[str]

    @classmethod
    def of(cls, ledger: Document, *, answered: Iterable[str]) -> "Ledger":
        """Read `/_sim/ledger`; `answered` are numbers of attempts."""
        return cls(
            paid={line["transaction_id"]: line for line in ledger["orders"] if line.get("transaction_id")},
            refunds={line["out_refund_no"]: line for line in ledger["refunds"]},
            answered=frozenset(answered),
        )


@dataclass
class Audit:
    """One look at both sides, at any moment. `rewarded` are the kinds of reward each kept payment earns."""

    stored: Stored
    ledger: Ledger
    rewarded: Collection[str] = ()
    complaints: list[str] = field(default_factory=list)

    def at_any_moment(self) -> list[str]:
        """Return what must never be so, even while a payment or a refund is on its way."""
        for order_id, order in self.stored.orders.items():
            self._shares(order_id, order)
            self._states(order_id, order)
            for payment in _paid(order):
                self._payment(order, payment)
        self._refunds_were_asked_for()
        self._rewards_have_a_reason()
        numbers = {payment["out_trade_no"] for _, payment in self._payments()}
        self._complain("I5", self.ledger.answered - numbers, "was answered SUCCESS and is not stored")
        return self.complaints

    def at_rest(self) -> list[str]:
        """Return also what must not be so once nothing is on its way any more."""
        self.at_any_moment()
        lines = Counter(payment["transaction_id"] for _, payment in self._payments())
        self._complain("I1", [t for t in self.ledger.paid if lines[t] != 1], "was taken and is not written down once")
        for _, payment in self._payments():
            for refund in _refunds(payment):
                number = refund["out_refund_no"]
                arrived = self.ledger.refunds.get(number, {}).get("refund_status") == "SUCCESS"
                if not arrived or refund.get("state") != "SUCCESS":
                    self._complain("I1", [number], f"is at rest as {refund.get('state', 'DUE')}, arrived: {arrived}")
        self._rewards_are_there()
        return self.complaints

    def _payment(self, order: Document, payment: Document) -> None:
        line = self.ledger.paid.get(payment["transaction_id"])
        number, amount = payment["out_trade_no"], payment["amount"]
        if line is None or (line["out_trade_no"], line["total_fee"]) != (number, amount):
            self._complain("I1", [number], f"says {amount} fen were paid, WeChat says {line}")
        back, kept = _back(payment), _kept(order, payment)
        if back + kept != amount or kept < 0:
            self._complain("I1", [number], f"brought {amount} fen: {kept} are kept and {back} go back")

    def _shares(self, order_id: str, order: Document) -> None:
        holders = [payment for payment in _paid(order) if payment["share"] is not None]
        holds = Counter(payment["share"] for payment in holders)
        self._complain("I2", [f"{order_id}[{s}]" for s, n in holds.items() if n > 1], "is a share taken twice")
        wrong = [p["out_trade_no"] for p in holders if p["amount"] != order["shares"][p["share"]]]
        self._complain("I2", wrong, "took a share of another amount")
        is_whole = len(holds) == len(order["shares"])
        if is_whole != (order["state"] in ("PAID", "REFUNDED")):
            self._complain("I2", [order_id], f"is {order['state']} with {len(holds)} of its shares taken")
        asked_back = sum(_back(payment, "asked") for payment in holders)
        if is_whole and sum(_kept(order, p) for p in holders) + asked_back != order["amount"]:
            self._complain("I2", [order_id], "is paid by money that goes back although nobody asked for it")

    def _states(self, order_id: str, order: Document) -> None:
        state = order["state"]
        if (order.get("paid_at_ms") is not None) != (state in ("PAID", "REFUNDED")):
            self._complain("I3", [order_id], f"is {state}, paid at {order.get('paid_at_ms')}")
        if (order.get("closed_at_ms") is not None) != (state == "CLOSED"):
            self._complain("I3", [order_id], f"is {state}, closed at {order.get('closed_at_ms')}")
        if state == "REFUNDED" and any(_kept(order, payment) for payment in _paid(order)):
            self._complain("I3", [order_id], "is REFUNDED and keeps money")

    def _refunds_were_asked_for(self) -> None:
        ours = {
            refund["out_refund_no"]: (payment["out_trade_no"], refund["amount"])
            for _, payment in self._payments()
            for refund in _refunds(payment)
        }
        for number, line in self.ledger.refunds.items():
            if ours.get(number) != (line["out_trade_no"], line["refund_fee"]):
                self._complain("I1", [number], f"went back at WeChat as {line}, and here as {ours.get(number)}")

    def _rewards_have_a_reason(self) -> None:
        payments = {payment["out_trade_no"] for _, payment in self._payments() if payment["share"] is not None}
        granted = Counter((_earned_by(reward), reward["kind"]) for reward in self.stored.rewards)
        self._complain("I4", [key for key, times in granted.items() if times > 1], "was granted twice")
        self._complain("I4", [key for key in granted if key[0] not in payments], "was granted and not earned")

    def _rewards_are_there(self) -> None:
        standing = {
            (_earned_by(reward), reward["kind"])
            for reward in self.stored.rewards
            if reward.get("taken_back_at_ms") is None
        }
        earned = {
            (payment["out_trade_no"], kind)
            for order, payment in self._payments()
            if order.get("earns") and _kept(order, payment)
            for kind in self.rewarded
        }
        self._complain("I4", earned - standing, "was earned and is not granted")
        self._complain("I4", standing - earned, "is granted for money that went back")

    def _payments(self) -> Iterator[tuple[Document, Document]]:
        return ((order, payment) for order in self.stored.orders.values() for payment in _paid(order))

    def _complain(self, invariant: str, about: Iterable[object], what: str) -> None:
        self.complaints += [f"{invariant}: {each} {what}" for each in about]


def history(states: Sequence[str]) -> list[str]:
    """Return what is wrong with the states one page saw, in their order."""
    steps = [(before, after) for before, after in pairwise(states) if before != after]
    return [f"I3: from {before} to {after}" for before, after in steps if after not in _LATER[before]]


def _paid(order: Document) -> list[Document]:
    return [{"share": None, **p} for p in order.get("payments", ()) if p.get("transaction_id")]


def _refunds(payment: Document) -> Sequence[Document]:
    found: Sequence[Document] = payment.get("refunds", ())
    return found


def _back(payment: Document, reason: str = "") -> int:
    """Return the fen that go back, or went, for this reason or for any."""
    return sum(refund["amount"] for refund in _refunds(payment) if not reason or refund["reason"] == reason)


def _kept(order: Document, payment: Document) -> int:
    """Return the fen the order has of this payment: nothing once it is closed, nothing without a share."""
    is_applied = payment["share"] is not None and order["state"] != "CLOSED"
    return payment["amount"] - _back(payment) if is_applied else 0


def _earned_by(reward: Document) -> str:
    number: str = reward["reward_id"].rpartition(":")[0]
    return number
