import pytest
from wechatpayv3.utils import rsa_verify

from server.errors import ConfigError
from server.wechat.v3_sign import app_params, authorization, jsapi_params, sign, signed_lines
from tests.wechat.v3_vectors import (
    MCH_ID,
    NONCE,
    NOW_S,
    SERIAL_NO,
    T9_APP_SIGN,
    T9_BODY,
    T9_GET_SIGNATURE,
    T9_JSAPI_PAYSIGN,
    T9_ORDER_SIGNATURE,
    T10_KEY,
    sample_key,
)
from tests.wechat.v3_wire import a_v3_merchant

APPID = "wx2421b1c4370ec43b"
PREPAY_ID = "wx201410272009395522657a690389285100"
QUERY = "/v3/pay/transactions/out-trade-no/PAY20261121000000001?mchid=1900007291"


def test_an_order_call_is_signed_as_wechats_example() -> None:
    assert len(T9_BODY.encode()) == 295

    header = authorization(
        "POST", "/v3/pay/transactions/jsapi", T9_BODY.encode(), a_v3_merchant(), now_s=NOW_S, nonce=NONCE
    )

    assert header == (
        f'WECHATPAY2-SHA256-RSA2048 mchid="{MCH_ID}",nonce_str="{NONCE}",timestamp="{NOW_S}",'
        f'serial_no="{SERIAL_NO}",signature="{T9_ORDER_SIGNATURE}"'
    )


def test_a_call_without_a_body_signs_an_empty_line() -> None:
    header = authorization("GET", QUERY, b"", a_v3_merchant(), now_s=NOW_S, nonce=NONCE)

    assert f'signature="{T9_GET_SIGNATURE}"' in header


def test_a_page_is_handed_parameters_signed_as_wechats_example() -> None:
    assert jsapi_params(APPID, PREPAY_ID, a_v3_merchant(), now_s=NOW_S, nonce=NONCE) == {
        "appId": APPID,
        "timeStamp": str(NOW_S),
        "nonceStr": NONCE,
        "package": f"prepay_id={PREPAY_ID}",
        "signType": "RSA",
        "paySign": T9_JSAPI_PAYSIGN,
    }


def test_an_app_is_handed_parameters_signed_over_the_bare_prepay_id() -> None:
    assert app_params(APPID, PREPAY_ID, a_v3_merchant(), now_s=NOW_S, nonce=NONCE) == {
        "appid": APPID,
        "partnerid": MCH_ID,
        "prepayid": PREPAY_ID,
        "package": "Sign=WXPay",
        "noncestr": NONCE,
        "timestamp": str(NOW_S),
        "sign": T9_APP_SIGN,
    }


def test_another_library_verifies_what_we_sign() -> None:
    signature = sign(signed_lines("1", "n", '{"标题":"a&b"}'), sample_key())

    assert rsa_verify("1", "n", '{"标题":"a&b"}', signature, sample_key().public_key())
    assert not rsa_verify("1", "n", '{"标题":"a&c"}', signature, sample_key().public_key())


@pytest.mark.parametrize("keys", [("short",), (T10_KEY, T10_KEY + "x"), ("帮" * 32,)])
def test_a_merchant_with_a_key_of_another_length_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        a_v3_merchant(*keys)
    assert keys[0] not in str(caught.value)


def test_a_merchant_does_not_show_its_keys() -> None:
    assert T10_KEY not in repr(a_v3_merchant())
    assert "RSAPrivateKey" not in repr(a_v3_merchant())
