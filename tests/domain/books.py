"""
An order's money, kept a second time and much more simply: what the tests hold the state machine against.

Written from what a test did, never from what the order says.
"""

from collections import Counter
from dataclasses import dataclass, field

from server.domain.document import Balance, OrderState


@dataclass
class Books:
    """One order's account, in fen. An attempt goes by its number, a refund by its payment's line and its place."""

    free: Counter[int]  # amounts still asked for
    attempts: dict[int, int] = field(default_factory=dict)  # number -> amount
    open: set[int] = field(default_factory=set)
    took: dict[str, tuple[int, int]] = field(default_factory=dict)  # transaction_id -> number, amount
    kept: dict[int, int] = field(default_factory=dict)  # number -> what is left of a share that was taken
    refunded: dict[tuple[int, int], int] = field(default_factory=dict)  # line, refund -> amount the friend has
    closed: set[tuple[int, int]] = field(default_factory=set)  # line, refund: WeChat ended it and paid nothing
    stuck: set[tuple[int, int]] = field(default_factory=set)  # line, refund: it cannot be paid, or was closed
    by_person: set[tuple[int, int]] = field(default_factory=set)  # line, refund: its money goes another way
    state: OrderState = OrderState.OPEN

    def pay(self, number: int, transaction_id: str) -> None:
        amount = self.attempts[number]
        wanted = self.state in (OrderState.OPEN, OrderState.CLOSING)
        is_first = number not in {paid_number for paid_number, _ in self.took.values()}
        self.took[transaction_id] = (number, amount)
        self.open.discard(number)
        if wanted and is_first and self.free[amount]:
            self.free[amount] -= 1
            self.kept[number] = amount
            if not self.free.total():
                self.state = OrderState.PAID
        self.finish_closing()

    def close(self) -> None:
        if self.state is OrderState.OPEN:
            self.state = OrderState.CLOSING
        self.finish_closing()

    def finish_closing(self) -> None:
        if self.state is OrderState.CLOSING and not self.open:
            self.state = OrderState.CLOSED
            self.kept.clear()

    def ask_back(self, number: int | None, amount: int | None) -> None:
        """Take what is asked back from what is kept: nothing at all if it is more than there is."""
        from_whom = sorted(self.kept) if number is None else [number] if number in self.kept else []
        left = sum(self.kept[one] for one in from_whom)
        asked = left if amount is None else amount
        if self.state is not OrderState.PAID or asked > left:
            return
        for one in from_whom:
            part = min(asked, self.kept[one])
            self.kept[one] -= part
            asked -= part

    def refund_arrives(self, line: int, refund: int, amount: int) -> None:
        self.refunded[line, refund] = amount
        back = sum(self.refunded[key] for key in self.refunded if key[0] in self.kept)
        if self.state is OrderState.PAID and back == sum(self.attempts[number] for number in self.kept):
            self.state = OrderState.REFUNDED

    def refund_is_stuck(self, line: int, refund: int, *, closed: bool) -> None:
        if (line, refund) not in self.refunded and (line, refund) not in self.by_person:
            self.stuck.add((line, refund))
            if closed:
                self.closed.add((line, refund))

    def settle(self, line: int, refund: int, amount: int) -> bool:
        """A person paid a stuck refund; False if it is none, or somebody has its money under way already."""
        key = (line, refund)
        if key not in self.stuck or key in self.by_person or key in self.refunded:
            return False
        self.by_person.add(key)
        self.refund_arrives(line, refund, amount)
        return True

    def ask_again(self, line: int, refund: int) -> bool:
        """A closed refund goes back under a new number; False if it is not closed, or arrived, or was paid by hand."""
        key = (line, refund)
        if key not in self.closed or key in self.by_person or key in self.refunded:
            return False
        self.by_person.add(key)
        return True

    @property
    def balance(self) -> Balance:
        received = sum(amount for _, amount in self.took.values())
        kept, refunded = sum(self.kept.values()), sum(self.refunded.values())
        return Balance(received, kept, received - kept - refunded, refunded)
