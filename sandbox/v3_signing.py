"""API v3's signatures and its cipher, written apart from the server's. Pure but for the nonces."""

import base64
import binascii
import secrets
import string
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from sandbox.rsa_keys import KeyPair

SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
PROBE: Final = "WECHATPAY/SIGNTEST/"
FOREIGN_SERIAL: Final = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
STALE_AGE_S: Final = 301

_NONCE_ALPHABET: Final = string.ascii_letters + string.digits
_GCM_NONCE_CHARS: Final = 12

# Ways to spoil a signature. Everything else is signed rightly.
SPOILT: Final = frozenset({"bad_sign", "forge", "probe", "serial", "stale", "unsigned"})


def signing_text(*lines: str) -> bytes:
    """Return what is signed: every line with its LF, the last one too."""
    return "".join(f"{line}\n" for line in lines).encode()


def sign(pair: KeyPair, message: bytes) -> str:
    return base64.b64encode(pair.private_key().sign(message, PKCS1v15(), SHA256())).decode()


def is_signed(public_key: rsa.RSAPublicKey, message: bytes, signature: str) -> bool:
    try:
        public_key.verify(base64.b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def signature_headers(pair: KeyPair, body: bytes, *, now_s: float, spoilt: str = "") -> dict[str, str]:
    """
    Return the headers WeChat puts on an answer or a notify.

    Args:
        now_s: Unix time in seconds by the merchant's own, real clock.
        spoilt: One of SPOILT; anything else leaves the signature right.
    """
    if spoilt == "unsigned":
        return {}
    timestamp = str(int(now_s) - (STALE_AGE_S if spoilt == "stale" else 0))
    nonce = new_nonce()
    signature = sign(pair, signing_text(timestamp, nonce) + body + b"\n")
    if spoilt in ("bad_sign", "forge"):
        signature = sign(pair, signing_text(timestamp, new_nonce()) + body + b"\n")
    elif spoilt == "probe":
        signature = PROBE + signature[len(PROBE) :]
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature,
        "Wechatpay-Serial": FOREIGN_SERIAL if spoilt == "serial" else pair.serial,
        "Wechatpay-Signature-Type": SCHEME,
    }


def encrypt(plaintext: bytes, api_v3_key: str, *, associated_data: str) -> dict[str, str]:
    """Return the algorithm, nonce, associated_data and ciphertext of a resource only the merchant can open."""
    nonce = new_nonce(_GCM_NONCE_CHARS)
    sealed = AESGCM(api_v3_key.encode()).encrypt(nonce.encode(), plaintext, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(sealed).decode(),
        "associated_data": associated_data,
        "nonce": nonce,
    }


def new_nonce(chars: int = 32) -> str:
    return "".join(secrets.choice(_NONCE_ALPHABET) for _ in range(chars))
