"""
Who signs with what: the merchant's keys and WeChat's own, made at the first start, kept, and changed on demand.

WeChat signs with a platform certificate or with its public key. An answer follows the request's Wechatpay-Serial; a
notify is signed by the public key in `public_key_percent` of the cases, which is how merchants are moved from the one
to the other.
"""

import random
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal

import msgspec

from sandbox.merchant import keep_merchant, load_merchant
from sandbox.records import Records
from sandbox.rsa_keys import KeyPair, new_certified_pair, new_public_key_pair

Mode = Literal["certificate", "public_key"]

_PERCENT: Final = 100


class PlatformKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The newest certificate comes first and signs; in the mode `public_key` none is given out."""

    certificates: tuple[KeyPair, ...]
    public_key: KeyPair
    mode: Mode = "public_key"
    public_key_percent: int = _PERCENT


class _Pairs(msgspec.Struct, frozen=True):
    merchant: KeyPair
    platform: PlatformKeys


class Keys:
    """Every change is recorded before the method returns."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.merchant = load_merchant(records)
        self._pairs = records.get("keys", "test", _Pairs) or _new_pairs()
        self._keep()

    @property
    def merchant_pair(self) -> KeyPair:
        return self._pairs.merchant

    @property
    def platform(self) -> PlatformKeys:
        return self._pairs.platform

    def answer_pair(self, asked_serial: str) -> KeyPair:
        """Return the pair that signs an answer; `asked_serial` is the request's Wechatpay-Serial or empty."""
        platform = self.platform
        for pair in (platform.public_key, *platform.certificates):
            if pair.serial == asked_serial:
                return pair
        return platform.public_key if platform.mode == "public_key" else platform.certificates[0]

    def notify_pair(self) -> KeyPair:
        """Return the pair that signs the next notify."""
        platform = self.platform
        is_moved = random.random() * _PERCENT < platform.public_key_percent
        return platform.public_key if is_moved else platform.certificates[0]

    def change_merchant(self, *, api_key: str, api_v3_key: str) -> None:
        """Take other keys from now on, as when they are changed in the merchant platform; the former ones are void."""
        self.merchant = msgspec.structs.replace(self.merchant, api_key=api_key, api_v3_key=api_v3_key)
        keep_merchant(self._records, self.merchant)

    def change_mode(self, mode: Mode, *, public_key_percent: int) -> None:
        self._change_platform(mode=mode, public_key_percent=public_key_percent)

    def renew_certificate(self) -> None:
        """Sign with a new platform certificate; the former ones are still given out."""
        successor = _new_platform_certificate()
        self._change_platform(certificates=(successor, *self.platform.certificates))

    def _change_platform(self, **changes: object) -> None:
        platform = msgspec.structs.replace(self.platform, **changes)
        self._pairs = msgspec.structs.replace(self._pairs, platform=platform)
        self._keep()

    def _keep(self) -> None:
        self._records.put("keys", "test", self._pairs)


@cache
def _new_pairs() -> _Pairs:
    """Make them once a process: a key takes a tenth of a second, and one process simulates one WeChat."""
    platform = PlatformKeys(certificates=(_new_platform_certificate(),), public_key=new_public_key_pair())
    return _Pairs(new_certified_pair("Simulated merchant", now=_now()), platform)


def _new_platform_certificate() -> KeyPair:
    return new_certified_pair("Simulated WeChat Pay platform", now=_now())


def _now() -> datetime:
    """Return the real time: the merchant, who checks a certificate's dates, does not live by the simulator's clock."""
    return datetime.now(UTC)
