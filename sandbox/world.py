"""All the simulator knows, built in one place and handed to every handler."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.ledger import Ledger
from sandbox.logins import Logins
from sandbox.merchant import Merchant, load_merchant
from sandbox.notifier import Notifier
from sandbox.order import Order, Refund
from sandbox.records import Records
from sandbox.users import Users

REFUND_AFTER_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class World:
    """`closing` is set when the simulator goes down: whoever dawdles on purpose stops dawdling."""

    records: Records
    clock: Clock
    merchant: Merchant
    users: Users
    ledger: Ledger
    logins: Logins
    faults: Faults
    journal: Journal
    notifier: Notifier
    closing: asyncio.Event

    def settle(self, order: Order, openid: str, *, in_sheet: bool = False) -> Order:
        """
        Let this person pay the order and begin to notify the merchant.

        Raises:
            PayRefused: As the ledger says; nothing has moved.
        """
        paid = self.ledger.pay(order, openid, in_sheet=in_sheet)
        self.notifier.announce(paid)
        return paid

    def refund(self, parameters: Mapping[str, str], *, outcome: str) -> tuple[Order, Refund]:
        """
        Accept a refund, or find it again, and see that the merchant hears of its end once.

        Raises:
            OrderRefused: As the ledger says; nothing has moved.
        """
        is_repeat = self.ledger.knows_refund(parameters["out_refund_no"])
        order, refund = self.ledger.refund(parameters, outcome=outcome)
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
    merchant = load_merchant(records)
    ledger = Ledger(records, clock, refund_after_s=refund_after_s)
    faults = Faults()
    journal = Journal()
    return World(
        records=records,
        clock=clock,
        merchant=merchant,
        users=Users(records, appid=merchant.appid),
        ledger=ledger,
        logins=Logins(records, clock),
        faults=faults,
        journal=journal,
        notifier=Notifier(
            records=records, clock=clock, merchant=merchant, ledger=ledger, faults=faults, journal=journal
        ),
        closing=asyncio.Event(),
    )
