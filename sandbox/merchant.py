"""The one test merchant: random credentials, made once and then kept."""

import secrets
import string
from typing import Final

import msgspec

from sandbox.records import Records

MERCHANT_NAME: Final = "代付测试商户"
_KEY_ALPHABET: Final = string.ascii_letters + string.digits


class Merchant(msgspec.Struct, frozen=True):
    """
    Credentials any WeChat Pay client can be pointed at.

    `sign_type` is what the merchant is advised to use; the API takes MD5 as well, as WeChat does.
    """

    appid: str
    app_secret: str
    mch_id: str
    api_key: str
    sign_type: str = "HMAC-SHA256"
    name: str = MERCHANT_NAME


def load_merchant(records: Records) -> Merchant:
    """Return the kept merchant, or make one and keep it."""
    kept = records.get("merchant", "test", Merchant)
    if kept is not None:
        return kept
    made = Merchant(
        appid="wx" + secrets.token_hex(8),
        app_secret=secrets.token_hex(16),
        mch_id=str(1_600_000_000 + secrets.randbelow(100_000_000)),
        api_key="".join(secrets.choice(_KEY_ALPHABET) for _ in range(32)),
    )
    records.put("merchant", "test", made)
    return made
