"""
The PEM files of the settings, read once, at start: our private key and certificate, and WeChat Pay's public keys.

What is refused is named by its file; nothing of its content is ever shown.
"""

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import Certificate, load_pem_x509_certificate

from server.domain.ending import Ending
from server.errors import ConfigError
from server.wechat.v3_sign import V3Merchant

SMALLEST_KEY_BITS: Final = 2048


def read_private_key(file: Path) -> RSAPrivateKey:
    """
    Return our private key.

    Raises:
        ConfigError: The file holds no RSA key of 2048 bits or more without a password.
    """
    try:
        key = load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a TypeError: it has a password
        raise ConfigError(f"{file} is no private key in PEM without a password") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < SMALLEST_KEY_BITS:
        raise ConfigError(f"{file} is no RSA key of {SMALLEST_KEY_BITS} bits or more")
    return key


def read_public_key(file: Path) -> RSAPublicKey:
    """
    Return WeChat Pay's public key.

    Raises:
        ConfigError: The file holds no RSA public key.
    """
    try:
        key = load_pem_public_key(_read(file))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{file} is no public key in PEM") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY_BITS:
        raise ConfigError(f"{file} is no RSA key of {SMALLEST_KEY_BITS} bits or more")
    return key


def read_certificate(file: Path) -> Certificate:
    """
    Return our API certificate, the first in the file.

    Raises:
        ConfigError: The file holds none.
    """
    try:
        return load_pem_x509_certificate(_read(file))
    except ValueError:
        raise ConfigError(f"{file} is no certificate in PEM") from None


def ending_of(file: Path) -> Ending:
    """
    Return when our API certificate ends.

    Raises:
        ConfigError: As `read_certificate`.
    """
    certificate = read_certificate(file)
    ends_at_ms = int(certificate.not_valid_after_utc.timestamp() * 1000)
    return Ending("merchant", f"{certificate.serial_number:X}", ends_at_ms)


def check_certificate(file: Path, merchant: V3Merchant) -> None:
    """
    Return if this is the merchant's API certificate.

    Raises:
        ConfigError: It is none, or its serial number or key is another than the merchant's.
    """
    certificate = read_certificate(file)
    if certificate.serial_number != int(merchant.serial_no, 16):
        raise ConfigError(f"WECHAT_MCH_SERIAL is not the serial number of {file}: {certificate.serial_number:X}")
    if certificate.public_key() != merchant.private_key.public_key():
        raise ConfigError(f"WECHAT_MCH_PRIVATE_KEY_FILE is not the key of {file}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read: {exc.strerror}") from None
