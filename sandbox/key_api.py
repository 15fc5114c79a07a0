"""The control API's door to all keys: what the merchant has to know, and what is changed in the merchant platform."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sandbox.control import ControlError, ControlHandler
from sandbox.keys import Keys, Mode
from sandbox.merchant import KEY_CHARS, new_key

_KEYS: Final = ("api_key", "api_v3_key")
# mode -> public_key_percent when it is not said.
_ALL_OR_NONE: Final[Mapping[Mode, int]] = {"certificate": 0, "public_key": 100}
_ALLOWED: Final = (*_KEYS, "platform", "public_key_percent", "certificate")


def merchant_document(keys: Keys) -> dict[str, Any]:
    """Return everything a WeChat Pay client has to be told, on either API."""
    pair, platform = keys.merchant_pair, keys.platform
    return {
        **msgspec.to_builtins(keys.merchant),
        "serial_no": pair.serial,
        "private_key_pem": pair.private_key_pem,
        "certificate_pem": pair.certificate_pem,
        "platform": {
            "mode": platform.mode,
            "public_key_id": platform.public_key.serial,
            "public_key_pem": platform.public_key.public_key_pem,
            "public_key_percent": platform.public_key_percent,
            "certificate_serials": [certificate.serial for certificate in platform.certificates],
        },
    }


class MerchantHandler(ControlHandler):
    def get(self) -> None:
        self.answer(merchant_document(self.world.keys))


class KeysHandler(ControlHandler):
    """
    Change what is named and answer as /_sim/merchant.

    `api_key` and `api_v3_key` take 32 letters and digits, or null for random ones; the former key is void at once.
    `platform` is certificate or public_key, with `public_key_percent` of the notifies signed by the public key (all or
    none when it is not said). `certificate: "renew"` makes a platform certificate that signs from now on.
    """

    def post(self) -> None:
        asked = self.asked()
        for name in asked:
            if name not in _ALLOWED:
                raise _bad(f"{name} is not one of {', '.join(_ALLOWED)}")
        merchant_keys = {name: _read_key(asked, name, self.world.keys) for name in _KEYS}
        mode, percent = _read_mode(asked, self.world.keys)
        if asked.get("certificate", "renew") != "renew":
            raise _bad("certificate must be renew")
        self.world.keys.change_merchant(**merchant_keys)
        self.world.keys.change_mode(mode, public_key_percent=percent)
        if "certificate" in asked:
            self.world.keys.renew_certificate()
        self.answer(merchant_document(self.world.keys))


def _read_key(asked: dict[str, Any], name: str, keys: Keys) -> str:
    if name not in asked:
        return str(getattr(keys.merchant, name))
    key = asked[name]
    if key is None:
        return new_key()
    if not isinstance(key, str) or len(key) != KEY_CHARS or not (key.isascii() and key.isalnum()):
        raise _bad(f"{name} must be {KEY_CHARS} letters and digits, or null")
    return key


def _read_mode(asked: dict[str, Any], keys: Keys) -> tuple[Mode, int]:
    mode: Mode = asked.get("platform", keys.platform.mode)
    if mode not in tuple(_ALL_OR_NONE):
        raise _bad(f"platform must be one of {', '.join(_ALL_OR_NONE)}")
    unsaid = _ALL_OR_NONE[mode] if "platform" in asked else keys.platform.public_key_percent
    percent = asked.get("public_key_percent", unsaid)
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
        raise _bad("public_key_percent must be a whole number from 0 to 100")
    return mode, percent


def _bad(message: str) -> ControlError:
    return ControlError(400, "bad_keys", message)
