"""A refund notify's cipher as WeChat prescribes it: AES-256-ECB under the lower-case hex MD5 of the API key. Pure."""

import base64
import hashlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

_BLOCK_BITS: Final = 128
_BLOCK_BYTES: Final = _BLOCK_BITS // 8


def encrypt(plaintext: bytes, api_key: str) -> str:
    """Return the req_info of a refund notify."""
    padder = PKCS7(_BLOCK_BITS).padder()
    return _encrypt_blocks(padder.update(plaintext) + padder.finalize(), api_key)


def encrypt_badly_padded(plaintext: bytes, api_key: str) -> str:
    """Return a req_info whose key is right and whose last byte no PKCS#7 padding ends with."""
    return _encrypt_blocks(plaintext.ljust(-(-(len(plaintext) + 1) // _BLOCK_BYTES) * _BLOCK_BYTES, b"\0"), api_key)


def _encrypt_blocks(blocks: bytes, api_key: str) -> str:
    key = hashlib.md5(api_key.encode(), usedforsecurity=False).hexdigest().encode()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - WeChat's choice, not ours
    return base64.b64encode(encryptor.update(blocks) + encryptor.finalize()).decode()
