import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tornado.httputil import HTTPHeaders
from wechatpayv3.utils import aes_decrypt, rsa_verify

from server.errors import (
    BadNotify,
    MalformedNotify,
    SealBroken,
    SignatureMismatch,
    SignatureProbe,
    StaleNotify,
    UnknownSerial,
)
from server.wechat.v3_cipher import Sealed, unseal
from server.wechat.v3_keys import KeyRing, read_certificates, verify
from tests.wechat.v3_vectors import (
    T10_ASSOCIATED_DATA,
    T10_CIPHERTEXT,
    T10_KEY,
    T10_NONCE,
    T10_PLAINTEXT,
    T11_APIV3_KEY,
    T11_BODY,
    T11_NONCE,
    T11_PLAINTEXT,
    T11_PUBLIC_KEY_DER_BASE64,
    T11_SERIAL,
    T11_SIGNATURE,
    T11_TIMESTAMP,
    T12_BODY,
    T12_NONCE,
    T12_SIGNATURE,
    T12_SIGNATURE_FOR_204_EMPTY_BODY,
    T12_TIMESTAMP,
    sample_key,
)
from tests.wechat.v3_wire import (
    KEY_ID,
    OTHER_V3_KEY,
    a_certificates_answer,
    a_ring,
    certificate_key,
    certificate_serial,
    platform_certificate,
    seal,
    signed_headers,
)

NOW_S = int(T12_TIMESTAMP)
BODY = T12_BODY.encode()
HEADERS = {
    "Wechatpay-Timestamp": T12_TIMESTAMP,
    "Wechatpay-Nonce": T12_NONCE,
    "Wechatpay-Signature": T12_SIGNATURE,
    "Wechatpay-Serial": KEY_ID,
}
PROBE = "WECHATPAY/SIGNTEST/"


def sdk_key() -> RSAPublicKey:
    key = load_der_public_key(base64.b64decode(T11_PUBLIC_KEY_DER_BASE64))
    assert isinstance(key, RSAPublicKey)
    return key


SDK_HEADERS = {
    "Wechatpay-Timestamp": T11_TIMESTAMP,
    "Wechatpay-Nonce": T11_NONCE,
    "Wechatpay-Signature": T11_SIGNATURE,
    "Wechatpay-Serial": T11_SERIAL,
}


class TestVerify:
    def test_believes_a_notify_from_an_official_sdks_tests(self) -> None:
        assert len(T11_BODY.encode()) == 568
        ring = KeyRing({T11_SERIAL: sdk_key()})

        assert verify(SDK_HEADERS, T11_BODY.encode(), ring, now_s=int(T11_TIMESTAMP)) == T11_SERIAL

    def test_believes_a_signed_body_and_an_empty_one(self) -> None:
        empty = {**HEADERS, "Wechatpay-Signature": T12_SIGNATURE_FOR_204_EMPTY_BODY}

        assert verify(HEADERS, BODY, a_ring(), now_s=NOW_S) == KEY_ID
        assert verify(empty, b"", a_ring(), now_s=NOW_S) == KEY_ID

    def test_does_not_mind_how_a_header_is_spelled(self) -> None:
        headers = HTTPHeaders({name.lower(): value for name, value in HEADERS.items()})

        assert verify(headers, BODY, a_ring(), now_s=NOW_S) == KEY_ID

    def test_certificates_and_public_keys_are_believed_at_once(self) -> None:
        ring = a_ring().with_keys(KeyRing({certificate_serial(): certificate_key().public_key()}))
        by_certificate = signed_headers(BODY, serial=certificate_serial(), key=certificate_key())

        assert verify(by_certificate, BODY, ring, now_s=NOW_S) == certificate_serial()
        assert verify(HEADERS, BODY, ring, now_s=NOW_S) == KEY_ID

    @pytest.mark.parametrize("name", HEADERS)
    def test_refuses_a_missing_header(self, name: str) -> None:
        with pytest.raises(MalformedNotify) as caught:
            verify({**HEADERS, name: ""}, BODY, a_ring(), now_s=NOW_S)
        assert caught.value.reason == name

    @pytest.mark.parametrize("timestamp", ["0", "-1795249454", "１７９５２４９４５４", "1795249454.0", "now"])
    def test_refuses_a_time_of_another_form(self, timestamp: str) -> None:
        with pytest.raises(MalformedNotify):
            verify({**HEADERS, "Wechatpay-Timestamp": timestamp}, BODY, a_ring(), now_s=NOW_S)

    def test_refuses_another_algorithm(self) -> None:
        with pytest.raises(MalformedNotify):
            verify({**HEADERS, "Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, BODY, a_ring(), now_s=NOW_S)

    @pytest.mark.parametrize("late_s", [-300, 300, 86400])
    def test_refuses_what_is_five_minutes_away(self, late_s: int) -> None:
        assert verify(HEADERS, BODY, a_ring(), now_s=NOW_S + 299) == KEY_ID
        assert verify(HEADERS, BODY, a_ring(), now_s=NOW_S - 299) == KEY_ID
        with pytest.raises(StaleNotify) as caught:
            verify(HEADERS, BODY, a_ring(), now_s=NOW_S + late_s)
        assert caught.value.age_s == late_s

    @pytest.mark.parametrize("serial", ["", KEY_ID.lower(), KEY_ID[:-1], KEY_ID + "0", "../../etc/passwd"])
    def test_refuses_a_key_that_is_not_on_the_ring(self, serial: str) -> None:
        with pytest.raises((UnknownSerial, MalformedNotify)):
            verify({**HEADERS, "Wechatpay-Serial": serial}, BODY, a_ring(), now_s=NOW_S)

    @pytest.mark.parametrize(
        "change",
        [
            lambda body: body.replace(b":", b": "),
            lambda body: body.replace(b"SUCCESS", b"SUCCESs"),
            lambda body: body + b"\n",
            lambda body: body.replace(b",", b",\r\n"),
            lambda body: b"",
        ],
    )
    def test_refuses_a_changed_body(self, change: Callable[[bytes], bytes]) -> None:
        with pytest.raises(SignatureMismatch):
            verify(HEADERS, change(BODY), a_ring(), now_s=NOW_S)

    def test_refuses_another_keys_signature_and_other_signed_headers(self) -> None:
        with pytest.raises(SignatureMismatch):
            verify(signed_headers(BODY, key=certificate_key()), BODY, a_ring(), now_s=NOW_S)
        with pytest.raises(SignatureMismatch):
            verify({**HEADERS, "Wechatpay-Nonce": "other"}, BODY, a_ring(), now_s=NOW_S)
        with pytest.raises(SignatureMismatch):
            verify({**HEADERS, "Wechatpay-Timestamp": str(NOW_S + 1)}, BODY, a_ring(), now_s=NOW_S)

    @pytest.mark.parametrize("probe", [PROBE + T12_SIGNATURE, PROBE + T12_SIGNATURE[len(PROBE) :]])
    def test_refuses_a_probe_by_the_ordinary_path_and_tells_it_apart(self, probe: str) -> None:
        with pytest.raises(SignatureProbe):
            verify({**HEADERS, "Wechatpay-Signature": probe}, BODY, a_ring(), now_s=NOW_S)

    @pytest.mark.parametrize("signature", ["=", "AAAA", T12_SIGNATURE + "\n", "-" + T12_SIGNATURE, "é", "x" * 344])
    def test_refuses_what_is_no_signature(self, signature: str) -> None:
        with pytest.raises(SignatureMismatch):
            verify({**HEADERS, "Wechatpay-Signature": signature}, BODY, a_ring(), now_s=NOW_S)

    def test_agrees_with_another_library(self) -> None:
        for body in (T12_BODY, T12_BODY.replace(",", ", "), T12_BODY + " ", "{}"):
            theirs = rsa_verify(T12_TIMESTAMP, T12_NONCE, body, T12_SIGNATURE, sample_key().public_key())
            try:
                ours = verify(HEADERS, body.encode(), a_ring(), now_s=NOW_S) == KEY_ID
            except BadNotify:
                ours = False
            assert ours is theirs


class TestUnseal:
    sealed = Sealed("AEAD_AES_256_GCM", T10_CIPHERTEXT, T10_NONCE, T10_ASSOCIATED_DATA)

    def test_opens_an_official_sdks_example(self) -> None:
        assert unseal(self.sealed, (T10_KEY,)).decode() == T10_PLAINTEXT

    def test_opens_the_notify_of_an_official_sdks_tests(self) -> None:
        resource = T11_BODY.partition('"ciphertext":"')[2].partition('"')[0]
        sealed = Sealed("AEAD_AES_256_GCM", resource, "Kj7QIyUiYx1q", "payscore")

        assert unseal(sealed, (T11_APIV3_KEY,)).decode() == T11_PLAINTEXT

    def test_every_key_opens_so_that_one_can_be_changed(self) -> None:
        assert unseal(self.sealed, (OTHER_V3_KEY, T10_KEY)).decode() == T10_PLAINTEXT

    def test_agrees_with_another_library(self) -> None:
        theirs = seal("帮我付".encode(), associated_data="")

        assert unseal(Sealed(**theirs), (T10_KEY,)).decode() == "帮我付"
        assert aes_decrypt(theirs["nonce"], theirs["ciphertext"], "", T10_KEY) == "帮我付"

    @pytest.mark.parametrize(
        "sealed",
        [
            Sealed("AEAD_AES_128_GCM", T10_CIPHERTEXT, T10_NONCE, T10_ASSOCIATED_DATA),
            Sealed("AEAD_AES_256_GCM", T10_CIPHERTEXT, T10_NONCE, "other"),
            Sealed("AEAD_AES_256_GCM", T10_CIPHERTEXT, T10_NONCE[::-1], T10_ASSOCIATED_DATA),
            Sealed("AEAD_AES_256_GCM", T10_CIPHERTEXT, "", T10_ASSOCIATED_DATA),
            Sealed("AEAD_AES_256_GCM", "A" + T10_CIPHERTEXT[1:], T10_NONCE, T10_ASSOCIATED_DATA),
            Sealed("AEAD_AES_256_GCM", "not base64", T10_NONCE, T10_ASSOCIATED_DATA),
            Sealed("AEAD_AES_256_GCM", "", T10_NONCE, T10_ASSOCIATED_DATA),
        ],
    )
    def test_refuses_what_does_not_open(self, sealed: Sealed) -> None:
        with pytest.raises(SealBroken):
            unseal(sealed, (T10_KEY, OTHER_V3_KEY))


class TestCertificates:
    def test_reads_the_key_by_its_serial_number(self) -> None:
        ring = read_certificates(a_certificates_answer(), (OTHER_V3_KEY, T10_KEY))

        found = ring.find(certificate_serial())
        assert found.public_numbers() == certificate_key().public_key().public_numbers()
        ends_at = platform_certificate().not_valid_after_utc
        assert ring.ends_at_ms == {certificate_serial(): ends_at.timestamp() * 1000}

    def test_refuses_a_certificate_sealed_with_another_key(self) -> None:
        with pytest.raises(SealBroken):
            read_certificates(a_certificates_answer(key=OTHER_V3_KEY), (T10_KEY,))

    def test_refuses_a_certificate_under_another_serial_number(self) -> None:
        with pytest.raises(MalformedNotify):
            read_certificates(a_certificates_answer(serial="1234"), (T10_KEY,))

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"data":[{}]}', b'{"data":null}', b"\xff"])
    def test_refuses_what_is_no_such_answer(self, body: bytes) -> None:
        with pytest.raises(MalformedNotify):
            read_certificates(body, (T10_KEY,))
