"""
A merchant as both APIs know it: its number, and the appids under which it takes money.

An openid means somebody only together with its appid, so each way to pay goes under an appid of its own: an official
account's (also for codes and H5), a mini-program's, an app's.
"""

from dataclasses import dataclass
from typing import Final

from server.domain.events import TradeType
from server.errors import WeChatRefused

# A mini-program orders as JSAPI, under its own appid; every other way goes by its own name.
JSAPI: Final = "JSAPI"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """`miniprogram_appid` and `open_appid` (an app's, from the open platform) are empty where there is none."""

    appid: str
    mch_id: str
    miniprogram_appid: str = ""
    open_appid: str = ""

    @property
    def trade_types(self) -> frozenset[TradeType]:
        """How friends can pay this merchant."""
        return frozenset(trade_type for trade_type in TradeType if self._appid_of(trade_type))

    @property
    def appids(self) -> frozenset[str]:
        """Every appid that is ours."""
        return frozenset({self.appid, self.miniprogram_appid, self.open_appid} - {""})

    def appid_of(self, trade_type: TradeType) -> str:
        """
        Return the appid such payments are ordered under.

        Raises:
            WeChatRefused: `APPID_NOT_EXIST`: we have none for it, so WeChat need not be asked.
        """
        if appid := self._appid_of(trade_type):
            return appid
        raise WeChatRefused("prepay", "APPID_NOT_EXIST", f"no appid for {trade_type}")

    def takes(self, trade_type: str, *, appid: str) -> bool:
        """Do we order payments that WeChat describes by these two words?"""
        return any(wire_trade_type(ours) == trade_type and self._appid_of(ours) == appid for ours in TradeType if appid)

    def _appid_of(self, trade_type: TradeType) -> str:
        if trade_type is TradeType.MINIPROGRAM:
            return self.miniprogram_appid
        return self.open_appid if trade_type is TradeType.APP else self.appid


def wire_trade_type(trade_type: TradeType) -> str:
    """Return WeChat's word for it."""
    return JSAPI if trade_type is TradeType.MINIPROGRAM else str(trade_type)


def trade_type_of(wire: str) -> TradeType:
    """Return what WeChat's word names; a word that is none of ours passes for JSAPI, from which nothing follows."""
    return TradeType(wire) if wire in list(TradeType) else TradeType.JSAPI
