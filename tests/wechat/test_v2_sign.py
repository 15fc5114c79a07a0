import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import ConfigError, MerchantMismatch, SignatureMismatch
from server.wechat.v2_sign import SignType, check_ours, sign, verify
from tests.wechat.wechat_wire import KEY, NOTIFY, OTHER_KEY, a_merchant, signature, signed

MD5, HMAC = SignType.MD5, SignType.HMAC_SHA256


def params_of(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split("&"))


PUBLISHED = params_of("appid=wxd930ea5d5a258f4f&body=test&device_info=1000&mch_id=10000100&nonce_str=ibuaiVcKdpRxkhJA")
REQUEST = {
    "appid": "wxd930ea5d5a258f4f",
    "attach": "o=42&k=a+b",
    "body": "帮我付-测试订单",
    "device_info": "WEB",
    "fee_type": "CNY",
    "mch_id": "10000100",
    "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "notify_url": "https://pay.example.com/wx/notify",
    "openid": "oUpF8uMEb4qRXf22hE3X68TekukE",
    "out_trade_no": "PAY20261121000000001",
    "spbill_create_ip": "203.0.113.7",
    "time_expire": "20261121165000",
    "time_start": "20261121162000",
    "total_fee": "1000",
    "trade_type": "JSAPI",
}
ANSWERED = params_of(
    "appid=wxd930ea5d5a258f4f&device_info=WEB&mch_id=10000100&nonce_str=IITRi8Iabbblz1Jc"
    "&prepay_id=wx21162000123456abcdef0123456789abcd00&result_code=SUCCESS&return_code=SUCCESS&return_msg=OK"
    "&trade_type=JSAPI"
)
APP_SHEET = {
    "appid": "wxd930ea5d5a258f4f",
    "noncestr": "a462b76e7436e98e0ed6e13c64b4fd1c",
    "package": "Sign=WXPay",
    "partnerid": "10000100",
    "prepayid": "1101000000140415649af9fc314aa427",
    "timestamp": "1397527777",
}
HMAC_FIELD = {"sign_type": "HMAC-SHA256"}


@pytest.mark.parametrize(
    ("params", "sign_type", "expected"),
    [
        (PUBLISHED, MD5, "9A0A8659F005D6984697E2CA0A9CF3B7"),
        (PUBLISHED, HMAC, "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
        (REQUEST | HMAC_FIELD, HMAC, "13A13213F15CB1BAA7A565611B7DF103ACC4BED475AC50237ECEB9C2270CA375"),
        (REQUEST, MD5, "454ABD56A595BAF30652EC63D42EE70F"),
        (ANSWERED, HMAC, "594B94754B87AE5FE1FAEF11C8826C3DED50DDCE785301CF26AA5DF37FC92876"),
        (NOTIFY, MD5, "3C2E807856EB050AE64E5B224587A720"),
        (APP_SHEET, MD5, "C54C020ED1BAAB4F6C03C7737FF2D80F"),
        (APP_SHEET, HMAC, "CBAC7C8C1902074B6561BC77FC9F52F9133C6FE8C23FBA634D09FF36D2122875"),
        (NOTIFY | HMAC_FIELD, HMAC, "90D712E7006EAC92DE810D1929A6B3BB38F27E2E43D5F497DC61290A9B62D0B6"),
    ],
)
def test_the_signature_is_that_of_the_vector(params: dict[str, str], sign_type: SignType, expected: str) -> None:
    assert sign(params, KEY, sign_type) == expected
    assert sign(params | {"sign": "anything", "empty": ""}, KEY, sign_type) == expected
    verify(params | {"sign": expected}, a_merchant(sign_type=sign_type))


def test_an_unknown_field_is_signed_too() -> None:
    known = {name: value for name, value in NOTIFY.items() if name != "future_field_x"}

    assert sign(known, KEY, MD5) == "730C1FDAF0091257649DEFC3A15E8957"


@given(
    params=st.dictionaries(
        st.text("AZaz_09", min_size=1), st.text(st.characters(codec="utf-8"), min_size=1), min_size=1
    ),
    sign_type=st.sampled_from(SignType),
)
def test_another_library_signs_the_same(params: dict[str, str], sign_type: SignType) -> None:
    assert sign(params, KEY, sign_type) == signature(params, sign_type=sign_type)


@pytest.mark.parametrize(
    "key", ["", " " * 32, "short", KEY[:-1], KEY + "0", KEY[:-1] + "密", KEY[:-1] + "\n", KEY[:-1] + " "]
)
class TestAKeyThatIsNotThirtyTwoPrintableCharacters:
    def test_signs_nothing(self, key: str) -> None:
        with pytest.raises(ConfigError) as caught:
            sign(NOTIFY, key, MD5)
        assert not key.strip() or key not in str(caught.value)

    def test_makes_no_merchant(self, key: str) -> None:
        with pytest.raises(ConfigError):
            a_merchant(key)
        with pytest.raises(ConfigError):
            a_merchant(KEY, key)


def test_a_merchant_without_a_key_believes_nothing() -> None:
    merchant = replace(a_merchant(), api_keys=())

    with pytest.raises(SignatureMismatch):
        verify(signed(NOTIFY), merchant)


def test_a_merchant_does_not_show_its_keys() -> None:
    assert KEY not in repr(a_merchant())


class TestRotation:
    def test_every_key_verifies(self) -> None:
        merchant = a_merchant(OTHER_KEY, KEY)

        verify(signed(NOTIFY, key=KEY), merchant)
        verify(signed(NOTIFY, key=OTHER_KEY), merchant)

    def test_a_key_that_was_taken_away_does_not(self) -> None:
        with pytest.raises(SignatureMismatch):
            verify(signed(NOTIFY, key=KEY), a_merchant(OTHER_KEY))


STATED = [None, "", "MD5", "HMAC-SHA256", "md5", "hmac-sha256", "RSA", "MD5,HMAC-SHA256"]


@pytest.mark.parametrize(("stated", "used", "pinned"), list(itertools.product(STATED, SignType, SignType)))
def test_only_the_configured_algorithm_counts(stated: str | None, used: SignType, pinned: SignType) -> None:
    fields = NOTIFY if stated is None else NOTIFY | {"sign_type": stated}
    fields = signed(fields, sign_type=used)

    if used is pinned and stated in (None, "", pinned.value):
        verify(fields, a_merchant(sign_type=pinned))
    else:
        with pytest.raises(SignatureMismatch):
            verify(fields, a_merchant(sign_type=pinned))


RIGHT = signature(NOTIFY)


@pytest.mark.parametrize(
    "received",
    ["", " ", RIGHT.lower(), RIGHT[:-1], RIGHT + "0", RIGHT + "\n", " " + RIGHT, RIGHT[:32], RIGHT[:31], RIGHT[:33],
     "0" * 64, "签" * 64, "Ａ" * 64, "None", signature(NOTIFY, sign_type="MD5"),
     signature(NOTIFY, key=OTHER_KEY), signature({})],
)  # fmt: skip
def test_any_other_signature_is_refused(received: str) -> None:
    with pytest.raises(SignatureMismatch):
        verify(NOTIFY | {"sign": received}, a_merchant())


def test_a_missing_signature_is_refused() -> None:
    with pytest.raises(SignatureMismatch):
        verify(NOTIFY, a_merchant())


@pytest.mark.parametrize("name", [name for name, value in NOTIFY.items() if value])
@pytest.mark.parametrize("change", ["{}0", " {}", "{} ", ""])
def test_no_signed_field_can_be_changed_or_removed(name: str, change: str) -> None:
    fields = signed(NOTIFY)

    with pytest.raises(SignatureMismatch):
        verify(fields | {name: change.format(fields[name])}, a_merchant())


def test_a_field_cannot_be_added() -> None:
    with pytest.raises(SignatureMismatch):
        verify(signed(NOTIFY) | {"coupon_id_7": "1"}, a_merchant())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"appid": "wx0000000000000000"}, "appid"),
        ({"appid": ""}, "appid"),
        ({"mch_id": "10000101"}, "mch_id"),
        ({"mch_id": " 10000100"}, "mch_id"),
        ({"sub_mch_id": "10000999"}, "sub_mch_id"),
    ],
)
def test_another_merchants_fields_are_not_ours(changes: dict[str, str], field: str) -> None:
    with pytest.raises(MerchantMismatch) as caught:
        check_ours(NOTIFY | changes, a_merchant())
    assert caught.value.field == field


def test_an_empty_sub_mch_id_is_none() -> None:
    check_ours(NOTIFY | {"sub_mch_id": ""}, a_merchant())
