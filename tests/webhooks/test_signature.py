"""Signatures of Standard Webhooks, on the published vector and at the example's verifier."""

import base64
from typing import Final

import pytest

from examples.verify_webhook import TOLERANCE_S, NotVerifiedError, verify
from server.webhooks.signature import read_secret, signed_headers

# The vector of the specification's own libraries.
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT_ID: Final = "msg_p5jXN8AQM9LWM0D4loKWxJek"
NOW_S: Final = 1614265330
BODY: Final = b'{"test": 2432232314}'
SIGNATURE: Final = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

NEW_SECRET: Final = "whsec_" + base64.b64encode(b"n" * 32).decode()


def test_the_published_vector_is_signed_as_published() -> None:
    assert signed_headers(EVENT_ID, BODY, [read_secret(SECRET)], now_s=NOW_S) == {
        "webhook-id": EVENT_ID,
        "webhook-timestamp": str(NOW_S),
        "webhook-signature": SIGNATURE,
    }


def test_all_secrets_sign_and_a_receiver_with_any_of_them_believes_it() -> None:
    headers = signed_headers(EVENT_ID, BODY, [read_secret(NEW_SECRET), read_secret(SECRET)], now_s=NOW_S)

    assert headers["webhook-signature"].endswith(f" {SIGNATURE}")
    for secrets in ([SECRET], [NEW_SECRET], ["whsec_" + "eA" * 16, NEW_SECRET]):
        assert verify(headers, BODY, secrets, now_s=NOW_S + TOLERANCE_S) == {"test": 2432232314}


@pytest.mark.parametrize(
    ("changed", "body", "now_s"),
    [
        ({}, BODY + b" ", NOW_S),
        ({"webhook-id": "msg_other"}, BODY, NOW_S),
        ({"webhook-timestamp": str(NOW_S + 1)}, BODY, NOW_S),
        ({"webhook-timestamp": "soon"}, BODY, NOW_S),
        ({"webhook-signature": ""}, BODY, NOW_S),
        ({"webhook-signature": "v1,ü"}, BODY, NOW_S),
        ({"webhook-id": ""}, BODY, NOW_S),
        ({}, BODY, NOW_S + TOLERANCE_S + 1),
        ({}, BODY, NOW_S - TOLERANCE_S - 1),
    ],
    ids=str,
)
def test_the_example_verifier_refuses_everything_else(changed: dict[str, str], body: bytes, now_s: int) -> None:
    headers = signed_headers(EVENT_ID, BODY, [read_secret(SECRET)], now_s=NOW_S)

    with pytest.raises(NotVerifiedError):
        verify({**headers, **changed}, body, [SECRET], now_s=now_s)


@pytest.mark.parametrize("text", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_***"])
def test_what_is_no_secret_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_") as refused:
        read_secret(text)
    assert not text.removeprefix("whsec_") or text not in str(refused.value)
