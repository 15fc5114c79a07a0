"""All the simulator knows, built in one place and handed to every handler."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.bill_shelf import BillShelf
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.js_codes import JsCodes
from sandbox.keys import Keys
from sandbox.ledger import Ledger, PayRefused
from sandbox.logins import Logins
from sandbox.merchant import Merchant
from sandbox.notifier import Notifier
from sandbox.order import Order, Refund
from sandbox.outbox import Outbox
from sandbox.records import Records
from sandbox.tokens import Tokens
from sandbox.users import DEFAULT_PERSONAS, Users

REFUND_AFTER_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class World:
    """`closing` is set when the simulator goes down: whoever dawdles on purpose stops dawdling."""

    records: Records
    clock: Clock
    keys: Keys
    users: Users
    ledger: Ledger
    logins: Logins
    faults: Faults
    journal: Journal
    bills: BillShelf
    notifier: Notifier
    tokens: Tokens
    miniprogram_tokens: Tokens
    outbox: Outbox
    js_codes: JsCodes
    closing: asyncio.Event

    @property
    def merchant(self) -> Merchant:
        """The merchant with the keys in force now."""
        return self.keys.merchant

    def payer(self, order: Order, openid: str = "") -> str:
        """
        Return the openid under the order's appid of whoever has `openid` under any appid.

        Without an openid it is whom the order belongs to or, while it is nobody's, the first of the users.

        Raises:
            PayRefused: Nobody has this openid.
        """
        if not openid and order.openid:
            return order.openid
        user = self.users.anywhere(openid) if openid else self.users.by_persona(DEFAULT_PERSONAS[0])
        if user is None:
            raise PayRefused("payer_unknown", f"没有这个用户：{openid}")
        return self.users.openid_of(user, order.appid)

    def decide(self, order: Order, openid: str, outcome: str, *, in_sheet: bool = False) -> Order:
        """
        Let this person open the order and pay it, if the outcome is ok; the merchant is then notified.

        Raises:
            PayRefused: As the ledger says; nothing has moved.
        """
        if outcome != "ok":
            return self.ledger.open(order, openid, in_sheet=in_sheet)
        paid = self.ledger.pay(order, openid, in_sheet=in_sheet)
        self.notifier.announce(paid)
        return paid

    def pay_late(self, order: Order) -> Order:
        """
        Let the bank report money it took before the order was closed; the merchant is then notified.

        Raises:
            PayRefused: As the ledger says; nothing has moved.
        """
        paid = self.ledger.pay_late(order)
        self.notifier.announce(paid)
        return paid

    def refund(self, parameters: Mapping[str, str], *, outcome: str, api: str = "v2") -> tuple[Order, Refund]:
        """
        Accept a refund, or find it again, and see that the merchant hears of its end once.

        Raises:
            OrderRefused: As the ledger says; nothing has moved.
        """
        is_repeat = self.ledger.knows_refund(parameters["out_refund_no"])
        order, refund = self.ledger.refund(parameters, outcome=outcome, api=api)
        if not is_repeat:
            self.notifier.announce_refund(order, refund)
        return order, refund

    async def aclose(self) -> None:
        self.closing.set()
        await self.notifier.aclose()
        self.records.close()


def build_world(data_dir: Path | None, *, refund_after_s: float = REFUND_AFTER_S) -> World:
    """
    Return the world as `data_dir` remembers it; must be called inside a running loop.

    Args:
        refund_after_s: How long an accepted refund is on its way, by the simulator's clock.
    """
    records = Records(data_dir)
    clock = Clock(records)
    keys = Keys(records)
    merchant = keys.merchant
    users = Users(records, appid=merchant.appid, other_appids=merchant.appids[1:])
    ledger = Ledger(records, clock, refund_after_s=refund_after_s)
    faults = Faults()
    journal = Journal()
    return World(
        records=records,
        clock=clock,
        keys=keys,
        users=users,
        ledger=ledger,
        logins=Logins(records, clock),
        faults=faults,
        journal=journal,
        bills=BillShelf(clock),
        notifier=Notifier(records=records, clock=clock, keys=keys, ledger=ledger, faults=faults, journal=journal),
        tokens=Tokens(records, clock),
        miniprogram_tokens=Tokens(records, clock, kind="miniprogram_token"),
        outbox=Outbox(users, clock),
        js_codes=JsCodes(records, clock),
        closing=asyncio.Event(),
    )
