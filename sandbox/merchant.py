"""The one test merchant: random credentials, made once and then kept."""

import secrets
import string
from typing import Final

import msgspec

from sandbox.records import Records

MERCHANT_NAME: Final = "代付测试商户"
KEY_CHARS: Final = 32
_KEY_ALPHABET: Final = string.ascii_letters + string.digits


def new_key() -> str:
    """Return a random API key as a merchant would choose it: 32 letters and digits."""
    return "".join(secrets.choice(_KEY_ALPHABET) for _ in range(KEY_CHARS))


def _new_appid() -> str:
    return "wx" + secrets.token_hex(8)


def _new_secret() -> str:
    return secrets.token_hex(16)


def _new_mch_id() -> str:
    return str(1_600_000_000 + secrets.randbelow(100_000_000))


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """
    Credentials any WeChat Pay client can be pointed at; what an older record lacks is made when it is read.

    Three appids are bound to the merchant number: `appid` (official account), the mini-program's, and the open
    platform's for an app. `sign_type` is what the merchant is advised to use; API v2 takes MD5 as well.
    """

    appid: str = msgspec.field(default_factory=_new_appid)
    app_secret: str = msgspec.field(default_factory=_new_secret)
    mch_id: str = msgspec.field(default_factory=_new_mch_id)
    api_key: str = msgspec.field(default_factory=new_key)
    sign_type: str = "HMAC-SHA256"
    name: str = MERCHANT_NAME
    api_v3_key: str = msgspec.field(default_factory=new_key)
    miniprogram_appid: str = msgspec.field(default_factory=_new_appid)
    miniprogram_secret: str = msgspec.field(default_factory=_new_secret)
    open_appid: str = msgspec.field(default_factory=_new_appid)

    @property
    def appids(self) -> tuple[str, ...]:
        return (self.appid, self.miniprogram_appid, self.open_appid)

    def may_order(self, appid: str, trade_type: str) -> bool:
        """Tell whether an order of this trade_type may name this appid: an app's only the open platform's own."""
        return appid in self.appids and (trade_type == "APP") == (appid == self.open_appid)


def load_merchant(records: Records) -> Merchant:
    """Return the kept merchant, or make one and keep it."""
    merchant = records.get("merchant", "test", Merchant) or Merchant()
    keep_merchant(records, merchant)
    return merchant


def keep_merchant(records: Records, merchant: Merchant) -> None:
    records.put("merchant", "test", merchant)
