"""The vectors WeChat publishes, and those reproduced by running code; never our own output."""

import pytest

from sandbox import flat_xml, signing

KEY = "192006250b4c09247ec02edce69f6a2d"
PAY_KEY = "qazwsxedcrfvtgbyhnujmikolp111111"


PUBLISHED = {
    "appid": "wxd930ea5d5a258f4f",
    "body": "test",
    "device_info": "1000",
    "mch_id": "10000100",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
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
    "sign_type": "HMAC-SHA256",
    "spbill_create_ip": "203.0.113.7",
    "time_expire": "20261121165000",
    "time_start": "20261121162000",
    "total_fee": "1000",
    "trade_type": "JSAPI",
}
ANSWER = {
    "appid": "wxd930ea5d5a258f4f",
    "device_info": "WEB",
    "mch_id": "10000100",
    "nonce_str": "IITRi8Iabbblz1Jc",
    "prepay_id": "wx21162000123456abcdef0123456789abcd00",
    "result_code": "SUCCESS",
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "trade_type": "JSAPI",
}
NOTIFY = {
    "appid": "wxd930ea5d5a258f4f",
    "attach": "帮我付&订单=1",
    "bank_type": "OTHERS",
    "cash_fee": "980",
    "cash_fee_type": "CNY",
    "coupon_count": "2",
    "coupon_fee": "20",
    "coupon_fee_0": "10",
    "coupon_fee_1": "10",
    "coupon_id_0": "10000",
    "coupon_id_1": "10001",
    "coupon_type_0": "CASH",
    "coupon_type_1": "NO_CASH",
    "device_info": "",
    "fee_type": "CNY",
    "future_field_x": "new",
    "is_subscribe": "N",
    "mch_id": "10000100",
    "nonce_str": "5d2b6c2a8db53831f7eda20af46e531c",
    "openid": "oUpF8uMEb4qRXf22hE3X68TekukE",
    "out_trade_no": "PAY20261121000000001",
    "result_code": "SUCCESS",
    "return_code": "SUCCESS",
    "settlement_total_fee": "990",
    "time_end": "20261121162413",
    "total_fee": "1000",
    "trade_type": "JSAPI",
    "transaction_id": "4200000215202611210261405420",
}


@pytest.mark.parametrize(
    ("fields", "sign_type", "expected"),
    [
        (PUBLISHED, "MD5", "9A0A8659F005D6984697E2CA0A9CF3B7"),
        (PUBLISHED, "HMAC-SHA256", "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
        (REQUEST, "HMAC-SHA256", "13A13213F15CB1BAA7A565611B7DF103ACC4BED475AC50237ECEB9C2270CA375"),
        ({**REQUEST, "sign_type": ""}, "MD5", "454ABD56A595BAF30652EC63D42EE70F"),
        (ANSWER, "HMAC-SHA256", "594B94754B87AE5FE1FAEF11C8826C3DED50DDCE785301CF26AA5DF37FC92876"),
        (NOTIFY, "MD5", "3C2E807856EB050AE64E5B224587A720"),
        (
            {**NOTIFY, "sign_type": "HMAC-SHA256"},
            "HMAC-SHA256",
            "90D712E7006EAC92DE810D1929A6B3BB38F27E2E43D5F497DC61290A9B62D0B6",
        ),
    ],
)
def test_published_signature_is_reproduced(fields: dict[str, str], sign_type: str, expected: str) -> None:
    assert signing.sign(fields, KEY, sign_type) == expected


def test_an_unknown_field_takes_part_in_the_signature() -> None:
    without = {name: value for name, value in NOTIFY.items() if name != "future_field_x"}

    assert signing.sign(without, KEY, "MD5") == "730C1FDAF0091257649DEFC3A15E8957"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            {
                "appId": "wx619a931576afe069",
                "nonceStr": "RIPb5Upk3ku7knU6",
                "package": "prepay_id=wx2611334392677180ea59742b3744840000",
                "signType": "MD5",
                "timeStamp": "1774495197",
            },
            "1F2E9533D7D483FBCDBD0B9BCA76F97D",
        ),
        (
            {
                "appId": "wx619a931576afe069",
                "nonceStr": "RIPb5Upk3ku7knU6",
                "package": "prepay_id=wx2611334392677180ea59742b3744840000",
                "signType": "HMAC-SHA256",
                "timeStamp": "1774495197",
            },
            "4A04CF5B979A4920409A9DEF2322C33C96DE8E9A96830E648719C60EF991700E",
        ),
        (
            {
                "appId": "wxd678efh567hg6787",
                "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
                "package": "prepay_id=wx2017033010242291fcfe0db70013231072",
                "signType": "MD5",
                "timeStamp": "1490840662",
            },
            "22D9B4E54AB1950F51E0649E8810ACD6",
        ),
    ],
)
def test_published_pay_sign_is_reproduced(call: dict[str, str], expected: str) -> None:
    assert signing.pay_sign(call, PAY_KEY) == expected


def test_a_changed_field_no_longer_fits_its_signature() -> None:
    signed = {**PUBLISHED, "sign": "9A0A8659F005D6984697E2CA0A9CF3B7"}

    assert signing.is_signed(signed, KEY, "MD5")
    assert not signing.is_signed({**signed, "body": "Test"}, KEY, "MD5")
    assert not signing.is_signed({**signed, "sign": signed["sign"].lower()}, KEY, "MD5")
    assert not signing.is_signed(PUBLISHED, KEY, "MD5")


def test_xml_written_is_read_back_to_the_last_blank() -> None:
    fields = {"attach": " 帮我付&<订单>]]>=1 ", "body": "a\nb", "total_fee": "1"}

    assert flat_xml.read(flat_xml.write(fields)) == fields


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "POST_DATA_EMPTY"),
        (b" \n", "POST_DATA_EMPTY"),
        (b"hello", "XML_FORMAT_ERROR"),
        (b"<xml><a>1</a>", "XML_FORMAT_ERROR"),
        (b"<root><a>1</a></root>", "XML_FORMAT_ERROR"),
        (b"<xml><a><b>1</b></a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml><a>1</a><a>2</a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml><a b='1'>1</a></xml>", "XML_FORMAT_ERROR"),
        (b"<xml>1<a>1</a></xml>", "XML_FORMAT_ERROR"),
        (b"<!DOCTYPE xml><xml><a>1</a></xml>", "XML_FORMAT_ERROR"),
        (b'<!DOCTYPE xml [<!ENTITY e "x">]><xml><a>&e;</a></xml>', "XML_FORMAT_ERROR"),
        (b"<xml><a>" + b"x" * 70_000 + b"</a></xml>", "XML_FORMAT_ERROR"),
        ("<xml><a>帮</a></xml>".encode("gb18030"), "NOT_UTF8"),
        (b'<?xml version="1.0" encoding="latin-1"?><xml><a>1</a></xml>', "NOT_UTF8"),
    ],
)
def test_xml_that_wechat_would_not_take_is_refused(body: bytes, word: str) -> None:
    with pytest.raises(flat_xml.BadXml, match=word):
        flat_xml.read(body)
