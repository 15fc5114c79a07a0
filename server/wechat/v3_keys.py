"""
WeChat's keys at API v3, and how its answers and notifies are verified with them.

A key is a platform certificate's, known by its serial number, or a WeChat Pay public key, known by its id
(`PUB_KEY_ID_…`); for WeChat's move from the one to the other both must be believed at once. Only a key of the ring is
ever believed: a message names its key, it never brings one. The bytes are verified as they came, before they are read.

Source: WeChat Pay API v3, "verify a signature", "platform certificates", "WeChat Pay public key".
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from msgspec import Struct

from server.errors import MalformedNotify, SignatureMismatch, SignatureProbe, StaleNotify, UnknownSerial
from server.wechat.v3_cipher import Sealed, unseal
from server.wechat.v3_json import read_json
from server.wechat.v3_sign import SIGNATURE_TYPE, signed_lines

WINDOW_S: Final = 300
PUBLIC_KEY_PREFIX: Final = "PUB_KEY_ID_"

_PROBE: Final = "WECHATPAY/SIGNTEST/"
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{9}")
_HEADERS: Final = ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """
    The keys we believe, by serial number or id, compared as text. Never changed: `with_keys` makes another ring.

    `ends_at_ms` says when those end that are a certificate's; a public key has no end.
    """

    keys: Mapping[str, RSAPublicKey] = field(default_factory=dict, repr=False)
    ends_at_ms: Mapping[str, int] = field(default_factory=dict)

    def with_keys(self, more: "KeyRing") -> "KeyRing":
        """Return a ring with these keys as well."""
        return KeyRing({**self.keys, **more.keys}, {**self.ends_at_ms, **more.ends_at_ms})

    def find(self, serial_no: str) -> RSAPublicKey:
        """
        Return the key.

        Raises:
            UnknownSerial: It is not on the ring.
        """
        key = self.keys.get(serial_no)
        if key is None:
            raise UnknownSerial(serial_no)
        return key


def verify(headers: Mapping[str, str], body: bytes, ring: KeyRing, *, now_s: int) -> str:
    """
    Return the serial number of the key of the ring that signed exactly this body within the last five minutes.

    Args:
        headers: Looked up by their usual spelling; hand in a mapping that does not mind the case.
        body: The bytes as received; empty for HTTP 204.

    Raises:
        MalformedNotify: A header is missing, or not of its form.
        StaleNotify, UnknownSerial, SignatureMismatch: Not to be believed.
    """
    timestamp, nonce, signature, serial_no = (_header(headers, name) for name in _HEADERS)
    if headers.get("Wechatpay-Signature-Type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
        raise MalformedNotify("Wechatpay-Signature-Type")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise MalformedNotify("Wechatpay-Timestamp")
    if abs(now_s - int(timestamp)) >= WINDOW_S:
        raise StaleNotify(now_s - int(timestamp))
    key = ring.find(serial_no)
    if not _is_signature(signature, signed_lines(timestamp, nonce, body), key):
        # Told apart only for those who count: WeChat tests with such signatures whether anybody looks at them.
        raise SignatureProbe if signature.startswith(_PROBE) else SignatureMismatch
    return serial_no


class _Certificate(Struct, frozen=True):
    serial_no: str
    encrypt_certificate: Sealed


class _Certificates(Struct, frozen=True):
    data: tuple[_Certificate, ...]


def read_certificates(body: bytes, api_v3_keys: tuple[str, ...]) -> KeyRing:
    """
    Return the keys of a `/v3/certificates` answer by serial number.

    Each is proved by its encryption, so this works before any signature can be verified.

    Raises:
        MalformedNotify, SealBroken: Nothing of it is to be believed.
    """
    keys: dict[str, RSAPublicKey] = {}
    ends_at_ms: dict[str, int] = {}
    for each in read_json(body, _Certificates).data:
        try:
            certificate = load_pem_x509_certificate(unseal(each.encrypt_certificate, api_v3_keys))
        except ValueError:
            raise MalformedNotify("encrypt_certificate") from None
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey) or certificate.serial_number != _number(each.serial_no):
            raise MalformedNotify("serial_no")
        keys[each.serial_no] = key
        ends_at_ms[each.serial_no] = int(certificate.not_valid_after_utc.timestamp() * 1000)
    return KeyRing(keys, ends_at_ms)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise MalformedNotify(name)
    return value


def _is_signature(signature: str, message: bytes, key: RSAPublicKey) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
        key.verify(raw, message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _number(serial_no: str) -> int:
    try:
        return int(serial_no, 16)
    except ValueError:
        return -1
