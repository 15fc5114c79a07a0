"""The PEM files of the settings: are they what they should be, do they belong together, and for how long."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import Certificate, load_pem_x509_certificate

from server.doctor.finding import Finding, ok, warning, wrong
from server.errors import ConfigError
from server.wechat.key_files import read_private_key, read_public_key
from settings import Settings

ENDS_SOON: Final = timedelta(days=30)


def check_key_files(settings: Settings, *, now_ms: int) -> list[Finding]:
    """Return what is to be said of the merchant's own key and certificate, and of WeChat Pay's public keys."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return [*_merchant(settings, now), *_public_keys(settings)]


def _merchant(settings: Settings, now: datetime) -> Iterator[Finding]:
    if not settings.wechat_mch_private_key_file:
        return
    key_file = Path(settings.wechat_mch_private_key_file)
    if key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warning("private_key_open", file=str(key_file))
    private_key = _private_key(key_file)
    if private_key is None:
        yield wrong("private_key_unusable", file=str(key_file))
    if not settings.wechat_mch_cert_file:
        return
    cert_file = Path(settings.wechat_mch_cert_file)
    certificate = _certificate(cert_file)
    if certificate is None:
        yield wrong("certificate_unusable", file=str(cert_file))
        return
    found = [*_pair(certificate, private_key, settings), *_dates(certificate, cert_file, now)]
    ends_on = str(certificate.not_valid_after_utc.date())
    yield from found or [ok("certificate_fine", file=str(cert_file), ends_on=ends_on)]


def _pair(certificate: Certificate, private_key: RSAPrivateKey | None, settings: Settings) -> Iterator[Finding]:
    if private_key is not None and certificate.public_key() != private_key.public_key():
        yield wrong("certificate_of_another_key", file=settings.wechat_mch_cert_file)
    serial_no = settings.wechat_mch_serial
    if serial_no and int(serial_no, 16) != certificate.serial_number:
        yield wrong("serial_of_another_certificate", set=serial_no, serial_no=f"{certificate.serial_number:X}")


def _dates(certificate: Certificate, file: Path, now: datetime) -> Iterator[Finding]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begins:
        yield wrong("certificate_not_yet", file=str(file), begins_on=str(begins.date()))
    if now >= ends:
        yield wrong("certificate_over", file=str(file), ends_on=str(ends.date()))
    elif now >= ends - ENDS_SOON:
        yield warning("certificate_ends_soon", file=str(file), ends_on=str(ends.date()))


def _public_keys(settings: Settings) -> Iterator[Finding]:
    for word in settings.wechat_public_keys:
        name, _, file = word.partition("=")
        try:
            read_public_key(Path(file))
        except ConfigError:
            yield wrong("public_key_unusable", id=name, file=file)


def _private_key(file: Path) -> RSAPrivateKey | None:
    try:
        return read_private_key(file)
    except ConfigError:
        return None


def _certificate(file: Path) -> Certificate | None:
    try:
        return load_pem_x509_certificate(file.read_bytes())
    except ValueError:
        return None
