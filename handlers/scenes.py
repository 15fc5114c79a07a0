"""How whoever asks can pay here: what the merchant offers, and what this visitor can use of it."""

from collections.abc import Collection

from msgspec import Struct

from handlers.base import BaseHandler
from server.domain.events import Person, TradeType


class Scenes(Struct, frozen=True):
    """`trade_types` in the order of WeChat's documents; empty where the link has to be opened in WeChat."""

    trade_types: list[TradeType]


class ScenesHandler(BaseHandler):
    """/api/scenes"""

    def get(self) -> None:
        open_to = usable(self.services.gateway.trade_types, self.visitor().person)
        self.answer(Scenes([each for each in TradeType if each in open_to]))


def usable(offered: Collection[TradeType], payer: Person) -> frozenset[TradeType]:
    """Return what this payer can use: a guest has no openid to order a payment for."""
    return frozenset(each for each in offered if each.changes_hands or not payer.is_guest)
