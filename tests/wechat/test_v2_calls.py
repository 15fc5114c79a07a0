import dataclasses
from collections.abc import Callable

import pytest
import xmltodict
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from server.domain.document import Order, Payment
from server.domain.events import TradeType
from server.wechat.flat_xml import read_flat_xml
from server.wechat.v2_calls import app_params, closeorder, jsapi_params, orderquery, to_xml, unifiedorder
from server.wechat.v2_sign import SignType, verify
from server.wechat.wording import goods_text
from tests.builders import after, an_attempt, an_order, attempt_no, started
from tests.wechat.wechat_wire import OTHER_KEY, a_merchant, signature

NONCE = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"
xml_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"))


def begun(title: str = "两张电影票") -> tuple[Order, Payment]:
    order = after(an_order(title=title), started())
    return order, order.payments[0]


@pytest.mark.parametrize("sign_type", SignType)
def test_an_order_call_says_what_the_attempt_fixed_and_another_library_signs_it_alike(sign_type: SignType) -> None:
    order, payment = begun()

    fields = read_flat_xml(unifiedorder(order, payment, a_merchant(sign_type=sign_type), nonce=NONCE))

    assert fields.pop("sign") == signature(fields, sign_type=sign_type)
    assert fields == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "body": "代付-两张电影票",
        "out_trade_no": attempt_no(),
        "fee_type": "CNY",
        "total_fee": "100",
        "spbill_create_ip": "203.0.113.7",
        "time_start": "20251009165320",
        "time_expire": "20251009172320",
        "notify_url": "https://pay.example.com/wechat/notify/pay",
        "trade_type": "JSAPI",
        "openid": payment.payer.openid,
        "nonce_str": NONCE,
        "sign_type": sign_type,
    }


def test_a_repeated_order_call_differs_in_nonce_and_signature_only() -> None:
    order, payment = begun()
    later = replace(order, rev=order.rev + 5, expires_at_ms=order.expires_at_ms + 1)

    first = read_flat_xml(unifiedorder(order, payment, a_merchant(), nonce="a" * 32))
    again = read_flat_xml(unifiedorder(later, payment, a_merchant(), nonce="b" * 32))

    assert {name for name in first if first[name] != again[name]} == {"nonce_str", "sign"}


@pytest.mark.parametrize("build", [orderquery, closeorder])
def test_query_and_close_name_the_attempt(build: Callable[..., bytes]) -> None:
    fields = read_flat_xml(build(an_attempt(), a_merchant(), nonce=NONCE))

    verify(fields, a_merchant())
    del fields["sign"]
    assert fields == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "out_trade_no": attempt_no(),
        "nonce_str": NONCE,
        "sign_type": "HMAC-SHA256",
    }


def test_the_first_key_signs() -> None:
    fields = read_flat_xml(orderquery(an_attempt(), a_merchant(OTHER_KEY, "0" * 32), nonce=NONCE))

    assert fields["sign"] == signature(fields, key=OTHER_KEY)


class TestGoodsText:
    def test_of_a_short_title_is_whole(self) -> None:
        assert goods_text("两张电影票") == "代付-两张电影票"

    @given(st.text())
    def test_is_valid_utf8_of_127_bytes_at_most_without_control_characters(self, title: str) -> None:
        text = goods_text(title)

        assert text.startswith("代付-")
        assert len(text.encode()) <= 127
        assert read_flat_xml(to_xml({"body": text})) == {"body": text}

    def test_is_cut_between_characters(self) -> None:
        assert goods_text("x" + "票" * 60) == "代付-x" + "票" * 39
        assert len(goods_text("xxx" + "票" * 60).encode()) == 127

    def test_puts_one_blank_where_the_title_breaks_the_line(self) -> None:
        assert goods_text(" a\r\n\tb\x00\x1bc\u2028d ") == "代付-a b c d"


@given(st.dictionaries(st.sampled_from(["body", "attach", "detail", "openid"]), xml_text, min_size=1))
def test_what_we_write_is_read_back_by_both_readers(params: dict[str, str]) -> None:
    body = to_xml(params)

    assert read_flat_xml(body) == params
    theirs = xmltodict.parse(body, strip_whitespace=False)["xml"]
    assert {name: value or "" for name, value in theirs.items()} == params


@pytest.mark.parametrize("value", ["]]>", "<", "&", "<![CDATA[x]]>", "</body></xml>", "&amp;", '"', "'"])
def test_no_value_can_break_out_of_its_element(value: str) -> None:
    assert read_flat_xml(to_xml({"body": value, "attach": "1"})) == {"body": value, "attach": "1"}


class TestJsapiParams:
    """The vectors are WeChat's published ones."""

    def test_are_signed_as_in_the_vector(self) -> None:
        merchant = type(a_merchant())(
            appid="wx619a931576afe069",
            mch_id="1",
            api_keys=(OTHER_KEY,),
            notify_url="",
            refund_notify_url="",
            sign_type=SignType.MD5,
        )
        params = jsapi_params(
            merchant.appid, "wx2611334392677180ea59742b3744840000", merchant, now_s=1774495197, nonce="RIPb5Upk3ku7knU6"
        )

        assert params == {
            "appId": "wx619a931576afe069",
            "timeStamp": "1774495197",
            "nonceStr": "RIPb5Upk3ku7knU6",
            "package": "prepay_id=wx2611334392677180ea59742b3744840000",
            "signType": "MD5",
            "paySign": "1F2E9533D7D483FBCDBD0B9BCA76F97D",
        }

    def test_name_the_algorithm_they_are_signed_with(self) -> None:
        merchant = type(a_merchant())(
            appid="wx619a931576afe069", mch_id="1", api_keys=(OTHER_KEY,), notify_url="", refund_notify_url=""
        )
        params = jsapi_params(
            merchant.appid, "wx2611334392677180ea59742b3744840000", merchant, now_s=1774495197, nonce="RIPb5Upk3ku7knU6"
        )

        assert params["signType"] == "HMAC-SHA256"
        assert params["paySign"] == "4A04CF5B979A4920409A9DEF2322C33C96DE8E9A96830E648719C60EF991700E"

    def test_of_the_second_vector(self) -> None:
        merchant = type(a_merchant())(
            appid="wxd678efh567hg6787",
            mch_id="1",
            api_keys=(OTHER_KEY,),
            notify_url="",
            refund_notify_url="",
            sign_type=SignType.MD5,
        )
        params = jsapi_params(
            merchant.appid, "wx2017033010242291fcfe0db70013231072", merchant, now_s=1490840662, nonce=NONCE
        )

        assert params["paySign"] == "22D9B4E54AB1950F51E0649E8810ACD6"


@pytest.mark.parametrize(
    ("sign_type", "sign"),
    [
        (SignType.MD5, "C54C020ED1BAAB4F6C03C7737FF2D80F"),
        (SignType.HMAC_SHA256, "CBAC7C8C1902074B6561BC77FC9F52F9133C6FE8C23FBA634D09FF36D2122875"),
    ],
)
def test_an_app_is_handed_exactly_the_six_signed_fields(sign_type: SignType, sign: str) -> None:
    appid, prepay_id = "wxd930ea5d5a258f4f", "1101000000140415649af9fc314aa427"

    params = app_params(
        appid,
        prepay_id,
        a_merchant(sign_type=sign_type),
        now_s=1397527777,
        nonce="a462b76e7436e98e0ed6e13c64b4fd1c",
    )

    assert params == {
        "appid": appid,
        "partnerid": "10000100",
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": "a462b76e7436e98e0ed6e13c64b4fd1c",
        "timestamp": "1397527777",
        "sign": sign,
    }


class TestScenes:
    merchant = dataclasses.replace(a_merchant(), miniprogram_appid="wx_mini", open_appid="wx_app")

    def asked(self, trade_type: TradeType) -> dict[str, str]:
        return read_flat_xml(unifiedorder(an_order(), an_attempt(trade_type), self.merchant, nonce=NONCE))

    @pytest.mark.parametrize(
        ("trade_type", "appid", "wire"),
        [
            (TradeType.JSAPI, "wxd930ea5d5a258f4f", "JSAPI"),
            (TradeType.MINIPROGRAM, "wx_mini", "JSAPI"),
            (TradeType.NATIVE, "wxd930ea5d5a258f4f", "NATIVE"),
            (TradeType.MWEB, "wxd930ea5d5a258f4f", "MWEB"),
            (TradeType.APP, "wx_app", "APP"),
        ],
    )
    def test_each_is_ordered_under_its_appid(self, trade_type: TradeType, appid: str, wire: str) -> None:
        asked = self.asked(trade_type)

        assert (asked["appid"], asked["trade_type"]) == (appid, wire)
        assert ("openid" in asked) is trade_type.binds_payer
        queried = read_flat_xml(orderquery(an_attempt(trade_type), self.merchant, nonce=NONCE))
        assert queried["appid"] == appid

    def test_a_code_names_its_product(self) -> None:
        assert self.asked(TradeType.NATIVE)["product_id"] == an_order().order_id

    def test_h5_names_our_site(self) -> None:
        scene = '{"h5_info":{"type":"Wap","wap_url":"https://pay.example.com","wap_name":"代付"}}'

        assert self.asked(TradeType.MWEB)["scene_info"] == scene
