from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from server.errors import ConfigError
from server.wechat.key_files import check_certificate, read_private_key, read_public_key
from tests.wechat.v3_vectors import sample_key
from tests.wechat.v3_wire import a_v3_merchant, platform_certificate

PRIVATE = sample_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = sample_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


def test_keys_are_read(file: Path) -> None:
    file.write_bytes(PRIVATE)
    assert read_private_key(file).private_numbers() == sample_key().private_numbers()
    file.write_bytes(PUBLIC)
    assert read_public_key(file) == sample_key().public_key()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        PUBLIC,
        sample_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        generate_ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ],
)
def test_what_is_no_private_key_of_ours_is_refused_by_its_file(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"key\.pem"):
        read_private_key(file)


@pytest.mark.parametrize("content", [b"", PRIVATE, b"\xff"])
def test_what_is_no_public_key_is_refused_and_not_shown(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(ConfigError, match=r"key\.pem is no public key") as refused:
        read_public_key(file)
    assert "BEGIN" not in str(refused.value)


def test_a_certificate_of_another_serial_number_is_refused(file: Path) -> None:
    file.write_bytes(platform_certificate().public_bytes(Encoding.PEM))

    with pytest.raises(ConfigError, match="WECHAT_MCH_SERIAL"):
        check_certificate(file, a_v3_merchant())
