"""
The keys of the merchant API: what a setting keeps of one, and what it may do.

A key is 256 random bits, so its plain SHA-256 is all that is kept: nobody finds the key by trying.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

PREFIX: Final = "daifu_"
MAX_KEY_LENGTH: Final = 200

_LINE: Final = re.compile(r"(?P<id>[a-z0-9]{4,32}):(?P<scopes>[a-z:+]+):(?P<sha256>[0-9a-f]{64})")


class Scope(StrEnum):
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    REFUNDS_WRITE = "refunds:write"


class MerchantKey(Struct, frozen=True):
    """One key as the settings keep it: `id:scope+scope:sha256`."""

    key_id: str
    scopes: frozenset[Scope]
    sha256: str

    @property
    def line(self) -> str:
        return f"{self.key_id}:{'+'.join(sorted(self.scopes))}:{self.sha256}"


def made_key(key_id: str, secret: str, scopes: Sequence[Scope]) -> tuple[str, MerchantKey]:
    """Return the key to hand out, whole, and what is kept of it. `secret` is 32 random bytes as text."""
    key = f"{PREFIX}{key_id}_{secret}"
    return key, MerchantKey(key_id, frozenset(scopes), _sha256(key))


def read_key(line: str) -> MerchantKey:
    """
    Return the key of one line of the settings.

    Raises:
        ValueError: It is no such line; the sentence does not quote it.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError("write each key as id:scope+scope:sha256, as `python run.py merchant-key` prints it")
    try:
        scopes = frozenset(map(Scope, found["scopes"].split("+")))
    except ValueError:
        raise ValueError(f"a key's scopes are of {', '.join(Scope)}") from None
    return MerchantKey(found["id"], scopes, found["sha256"])


def key_behind(presented: str, keys: Sequence[MerchantKey]) -> MerchantKey | None:
    """Return which of the keys this is. Takes as long for a wrong one as for a right one."""
    digest = _sha256(presented[:MAX_KEY_LENGTH])
    matches = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
    return matches[0] if matches and len(presented) <= MAX_KEY_LENGTH else None


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
