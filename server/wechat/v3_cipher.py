"""
What WeChat encrypts for us at API v3: AES-256-GCM under the API v3 key.

Source: WeChat Pay API v3, "decrypt certificates and notifies".
"""

import base64

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from server.errors import SealBroken
from server.wechat.proof import KeyKind, Proved, uncounted


class Sealed(Struct, frozen=True):
    """A sealed text: `ciphertext` is base64, its tag at the end; `nonce` and `associated_data` are used as they are."""

    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str = ""


def unseal(sealed: Sealed, api_v3_keys: tuple[str, ...], *, proved: Proved = uncounted) -> bytes:
    """
    Return the text, opened with whichever of the keys fits; `proved` is told which.

    Raises:
        SealBroken: None does, or it is sealed in another way than API v3 does.
    """
    if sealed.algorithm != "AEAD_AES_256_GCM":
        raise SealBroken
    try:
        ciphertext = base64.b64decode(sealed.ciphertext, validate=True)
    except ValueError:
        raise SealBroken from None
    for place, key in enumerate(api_v3_keys, start=1):
        try:
            text = AESGCM(key.encode()).decrypt(sealed.nonce.encode(), ciphertext, sealed.associated_data.encode())
        except (InvalidTag, ValueError):  # a nonce of another length is a ValueError
            continue
        proved(KeyKind.API_V3_KEY, str(place))
        return text
    raise SealBroken
