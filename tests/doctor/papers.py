"""What a merchant downloads before he goes live: key, certificate and public key as files, some of them mistaken."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID


class Papers:
    """The files of one merchant in one folder; `stranger` is a key that belongs to nobody here."""

    def __init__(self, folder: Path, merchant: dict[str, str], public_key_pem: str, stranger: RSAPrivateKey) -> None:
        self._serial_no = merchant["serial_no"]
        self._own = merchant["private_key_pem"].encode()
        self._stranger = stranger
        self.private_key = folder / "apiclient_key.pem"
        self.certificate = folder / "apiclient_cert.pem"
        self.public_key = folder / "pub_key.pem"
        self.other_public_key = folder / "other_pub_key.pem"
        self.private_key.touch(mode=0o600)
        self.private_key.write_bytes(self._own)
        self.certificate.write_text(merchant["certificate_pem"])
        self.public_key.write_text(public_key_pem)
        encoding = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.other_public_key.write_bytes(stranger.public_key().public_bytes(*encoding))

    def issue(self, *, begins_in_days: int = -300, ends_in_days: int = 300, for_stranger: bool = False) -> None:
        """Put another certificate with the same serial number in place of the right one."""
        key = self._stranger if for_stranger else load_pem_private_key(self._own, password=None)
        assert isinstance(key, RSAPrivateKey)
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a merchant")]), datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(int(self._serial_no, 16))
            .not_valid_before(now + timedelta(days=begins_in_days))
            .not_valid_after(now + timedelta(days=ends_in_days))
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))

    def lock_private_key(self) -> None:
        """Leave a key of an algorithm WeChat does not know."""
        small = generate_private_key(public_exponent=65537, key_size=1024)
        self.private_key.write_bytes(small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
