"""RSA key pairs of API v3, and the X.509 certificates that carry some of them. Pure but for randomness."""

import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

PUBLIC_KEY_PREFIX: Final = "PUB_KEY_ID_"
_KEY_BITS: Final = 2048
_CERTIFICATE_LIFE: Final = timedelta(days=5 * 365)


class KeyPair(msgspec.Struct, frozen=True):
    """`serial` is a certificate's number in hex, or a WeChat Pay public key's id, which has no certificate."""

    serial: str
    private_key_pem: str
    certificate_pem: str = ""

    @property
    def public_key_pem(self) -> str:
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public_key().public_bytes(encoding, form).decode()

    def private_key(self) -> rsa.RSAPrivateKey:
        return _read_private_key(self.private_key_pem)

    def public_key(self) -> rsa.RSAPublicKey:
        return self.private_key().public_key()

    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_pem.encode())


def new_public_key_pair() -> KeyPair:
    """Return a pair with an id as WeChat Pay gives its public keys."""
    digits = f"{secrets.randbelow(10**34):034}"
    return KeyPair(PUBLIC_KEY_PREFIX + digits, _private_pem(_new_private_key()))


def new_certified_pair(name: str, *, now: datetime) -> KeyPair:
    """Return a pair with a certificate of five years; it says nothing of who may trust it."""
    private_key = _new_private_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated WeChat Pay Root CA")])
    number = _new_serial_number()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(private_key.public_key())
        .serial_number(number)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + _CERTIFICATE_LIFE)
        .sign(private_key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return KeyPair(f"{number:040X}", _private_pem(private_key), pem)


def _new_serial_number() -> int:
    """Return a number of forty hex digits, the first of them not 0, as clients write it without leading zeros."""
    return secrets.randbits(156) | 1 << 156


def _new_private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _private_pem(private_key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private_key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@lru_cache(maxsize=16)
def _read_private_key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key
