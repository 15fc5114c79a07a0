"""
What WeChat would put on the wire at API v3, made without any code of ours: another library signs, and this seals.

WeChat's own key is the sample key, under the id of a WeChat Pay public key; one more key signs as a certificate's.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from wechatpayv3.utils import rsa_sign

from server.wechat.v3_keys import KeyRing
from server.wechat.v3_sign import V3Merchant
from tests.wechat.v3_vectors import MCH_ID, SERIAL_NO, T10_KEY, T12_PLAINTEXT, sample_key

KEY_ID: Final = "PUB_KEY_ID_0119000072912026112100000000000001"
APPID: Final = "wxd678efh567hg6787"
MINIPROGRAM_APPID: Final = "wx2421b1c4370ec43b"
OPEN_APPID: Final = "wxd930ea5d5a258f4f"
NOTIFIED_AT_S: Final = 1_795_249_454
OTHER_V3_KEY: Final = "0123456789abcdef0123456789ABCDEF"
TRANSACTION: Final[Mapping[str, Any]] = json.loads(T12_PLAINTEXT)


def a_v3_merchant(*api_v3_keys: str) -> V3Merchant:
    return V3Merchant(
        appid=APPID,
        mch_id=MCH_ID,
        miniprogram_appid=MINIPROGRAM_APPID,
        open_appid=OPEN_APPID,
        serial_no=SERIAL_NO,
        private_key=sample_key(),
        api_v3_keys=api_v3_keys or (T10_KEY,),
        notify_url="https://pay.example.com/wechat/notify/v3",
    )


def a_ring() -> KeyRing:
    return KeyRing({KEY_ID: sample_key().public_key()})


def seal(plaintext: bytes, *, key: str = T10_KEY, associated_data: str = "transaction") -> dict[str, str]:
    """Return what WeChat encrypts."""
    nonce = "Kj7QIyUiYx1q"
    ciphertext = AESGCM(key.encode()).encrypt(nonce.encode(), plaintext, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "nonce": nonce,
        "associated_data": associated_data,
    }


def a_v3_notify(
    plaintext: Mapping[str, Any] = TRANSACTION, *, event_type: str = "TRANSACTION.SUCCESS", key: str = T10_KEY
) -> bytes:
    """Return a notify's body, its resource sealed."""
    original_type = "refund" if event_type.startswith("REFUND") else "transaction"
    resource = seal(json.dumps(plaintext).encode(), key=key, associated_data=original_type)
    return json.dumps(
        {
            "id": "3a5c8c5e-51b7-5bd3-9f2a-0b1c2d3e4f50",
            "create_time": "2026-11-21T16:24:14+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": "支付成功",
            "resource": {"original_type": original_type, **resource},
        }
    ).encode()


def signed_headers(
    body: bytes, *, now_s: int = NOTIFIED_AT_S, serial: str = KEY_ID, key: RSAPrivateKey | None = None
) -> dict[str, str]:
    """Return the headers WeChat sends with this body, signed by another library."""
    nonce = "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBz"
    return {
        "Wechatpay-Timestamp": str(now_s),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        "Wechatpay-Signature": rsa_sign(key or sample_key(), f"{now_s}\n{nonce}\n{body.decode()}\n"),
    }


@cache
def certificate_key() -> RSAPrivateKey:
    """Return the key of WeChat's platform certificate."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def platform_certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(certificate_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1825))
        .sign(certificate_key(), SHA256())
    )


def certificate_serial() -> str:
    return f"{platform_certificate().serial_number:X}"


def a_certificates_answer(*, key: str = T10_KEY, serial: str = "") -> bytes:
    """Return the body of a `/v3/certificates` answer."""
    pem = platform_certificate().public_bytes(Encoding.PEM)
    one = {
        "serial_no": serial or certificate_serial(),
        "effective_time": "2026-01-01T00:00:00+08:00",
        "expire_time": "2031-01-01T00:00:00+08:00",
        "encrypt_certificate": seal(pem, key=key, associated_data="certificate"),
    }
    return json.dumps({"data": [one]}).encode()
