import itertools

import pytest
import xmltodict
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.pay import WeChatPay

from server.domain.events import Evidence, PaymentConfirmed
from server.domain.money import Fen
from server.errors import BadNotify, MalformedNotify, MerchantMismatch, SignatureMismatch
from server.wechat.v2 import REPLY_SUCCESS, NotPaid, parse_notify, reply_fail
from server.wechat.v2_sign import SignType
from tests.wechat.wechat_wire import (
    BEIJING_MS,
    KEY,
    NOTIFY,
    OTHER_KEY,
    OUT_TRADE_NO,
    a_merchant,
    a_notify,
    signed,
    to_wire,
)

PAID = PaymentConfirmed(
    out_trade_no=OUT_TRADE_NO,
    transaction_id="4200000215202611210261405420",
    amount=Fen(1000),
    openid="oUpF8uMEb4qRXf22hE3X68TekukE",
    paid_at_ms=BEIJING_MS,
    evidence=Evidence.NOTIFY,
)


def parse(body: bytes) -> PaymentConfirmed | NotPaid:
    return parse_notify({}, body, a_merchant())


def test_the_published_notify_confirms_the_payment() -> None:
    body = to_wire(NOTIFY | {"sign": "3C2E807856EB050AE64E5B224587A720"})

    assert parse_notify({}, body, a_merchant(sign_type=SignType.MD5)) == PAID


def test_the_published_notify_with_hmac_confirms_the_payment() -> None:
    sign = "90D712E7006EAC92DE810D1929A6B3BB38F27E2E43D5F497DC61290A9B62D0B6"

    assert parse(to_wire(NOTIFY | {"sign_type": "HMAC-SHA256", "sign": sign})) == PAID


def test_what_arrives_also_convinces_another_library() -> None:
    peer = WeChatPay(NOTIFY["appid"], KEY, NOTIFY["mch_id"])
    body = to_wire(signed(NOTIFY, sign_type="MD5"))

    theirs = peer.parse_payment_result(body)

    assert parse_notify({}, body, a_merchant(sign_type=SignType.MD5)) == PAID
    assert theirs["out_trade_no"] == PAID.out_trade_no
    assert theirs["total_fee"] == PAID.amount


@pytest.mark.parametrize(
    "changes",
    [
        {"device_info": "WEB", "err_code": "", "err_code_des": ""},
        {"future_field_y": "anything", "version": "1.0"},
        {f"coupon_fee_{number}": "1" for number in range(60)},
        {"attach": "  blanks at both ends\t"},
        {"attach": "x" * 8000},
        {"attach": "]]><a>&amp;"},
        {"attach": "o=42&k=a+b"},
        {"cash_fee": "1", "coupon_fee": "999"},
        {"time_end": "20261121162413", "fee_type": ""},
        {"sub_mch_id": ""},
    ],
)
def test_unknown_and_unusual_fields_do_not_keep_a_payment_from_being_confirmed(changes: dict[str, str]) -> None:
    assert parse(a_notify(**changes)) == PAID


@given(
    extra=st.dictionaries(
        st.from_regex(r"\Aextra_[a-z0-9_]{1,20}\Z"),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff&")),
        max_size=20,
    )
)
def test_any_further_field_is_signed_and_otherwise_ignored(extra: dict[str, str]) -> None:
    assert parse(a_notify(**extra)) == PAID


def test_a_field_sent_empty_means_the_same_as_one_not_sent() -> None:
    absent = {name: value for name, value in NOTIFY.items() if value}

    assert parse(to_wire(signed(absent))) == parse(a_notify()) == PAID


class TestAmount:
    @pytest.mark.parametrize(
        "total_fee",
        ["", "0", "-1", "+1", "1.00", "1.0", "01", "１", "１０００", " 1", "1 ", "1\n", "1_00", "1e3", "0x10", "1,000",
         "٣", "10" * 15, "12345678901", "NaN", "None", "一"],
    )  # fmt: skip
    def test_that_is_not_plain_fen_is_refused(self, total_fee: str) -> None:
        with pytest.raises(MalformedNotify) as caught:
            parse(a_notify(total_fee=total_fee))
        assert caught.value.reason == "total_fee"

    @pytest.mark.parametrize("total_fee", ["1", "999", "1001", "9999999999"])
    def test_that_differs_is_reported_as_it_is_for_the_order_to_judge(self, total_fee: str) -> None:
        confirmed = parse(a_notify(total_fee=total_fee))

        assert isinstance(confirmed, PaymentConfirmed)
        assert confirmed.amount == int(total_fee)

    def test_another_currency_is_reported_as_it_is_for_the_order_to_judge(self) -> None:
        confirmed = parse(a_notify(fee_type="HKD"))

        assert isinstance(confirmed, PaymentConfirmed)
        assert confirmed.fee_type == "HKD"

    @given(st.text(max_size=12))
    def test_is_read_only_from_ascii_digits(self, total_fee: str) -> None:
        try:
            confirmed = parse(a_notify(total_fee=total_fee))
        except BadNotify:
            return
        assert isinstance(confirmed, PaymentConfirmed)
        assert str(confirmed.amount) == total_fee


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fee_type", "cny"),
        ("fee_type", "CNY "),
        ("out_trade_no", ""),
        ("out_trade_no", "short"),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", '{"$ne":null}'),
        ("out_trade_no", "PAY2026112100000000\n"),
        ("transaction_id", ""),
        ("transaction_id", "4" * 33),
        ("transaction_id", "42 00"),
        ("openid", ""),
        ("openid", "o" * 129),
        ("openid", "ｏＵｐ"),
        ("time_end", ""),
        ("time_end", "2026-11-21T16:24:13"),
        ("time_end", "20261321162413"),
        ("return_code", "success"),
        ("return_code", ""),
        ("result_code", "OK"),
        ("result_code", ""),
    ],
)
def test_a_field_that_is_not_of_its_form_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(MalformedNotify) as caught:
        parse(a_notify(**{name: value}))
    assert caught.value.reason == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appid", "wx0000000000000000"),
        ("appid", "WXD930EA5D5A258F4F"),
        ("mch_id", "10000101"),
        ("sub_mch_id", "10000999"),
        ("trade_type", "MICROPAY"),
        ("trade_type", ""),
    ],
)
def test_a_rightly_signed_notify_for_somebody_else_is_refused(name: str, value: str) -> None:
    with pytest.raises(MerchantMismatch) as caught:
        parse(a_notify(**{name: value}))
    assert caught.value.field == name


def test_a_payer_and_a_number_we_do_not_know_are_for_the_order_to_judge() -> None:
    confirmed = parse(a_notify(openid="oSomebodyElse", out_trade_no="OTHER-1"))

    assert isinstance(confirmed, PaymentConfirmed)
    assert (confirmed.openid, confirmed.out_trade_no) == ("oSomebodyElse", "OTHER-1")


STATED = [None, "MD5", "HMAC-SHA256", "md5", "hmac-sha256", "RSA"]
CASES = list(itertools.product(STATED, ["MD5", "HMAC-SHA256"], [KEY, OTHER_KEY], [str.upper, str.lower]))


@pytest.mark.parametrize(("stated", "used", "key", "case"), CASES)
def test_only_the_pinned_algorithm_and_key_in_upper_case_convince(
    stated: str | None, used: str, key: str, case: type[str]
) -> None:
    fields = signed(NOTIFY if stated is None else NOTIFY | {"sign_type": stated}, key=key, sign_type=used)
    fields["sign"] = case(fields["sign"])

    if (used, key, case) == ("HMAC-SHA256", KEY, str.upper) and stated in (None, "HMAC-SHA256"):
        assert parse(to_wire(fields)) == PAID
    else:
        with pytest.raises(SignatureMismatch):
            parse(to_wire(fields))


@pytest.mark.parametrize("name", ["total_fee", "sign", "out_trade_no", "sign_type"])
def test_a_field_sent_twice_is_refused_before_either_is_believed(name: str) -> None:
    again = f"<{name}>1</{name}><{name}>1</{name}></xml>".encode()

    with pytest.raises(MalformedNotify):
        parse(a_notify().replace(b"</xml>", again))


class TestOneSignatureForTwoNotifies:
    """The signed text does not show where a value ends."""

    def test_a_deciding_field_cannot_be_hidden_in_another_ones_value(self) -> None:
        fields = signed({**NOTIFY, "sub_mch_id": "10000999"})
        swallowed = {
            name: value for name, value in fields.items() if name not in ("sub_mch_id", "settlement_total_fee")
        }
        swallowed["settlement_total_fee"] = f"{fields['settlement_total_fee']}&sub_mch_id=10000999"

        with pytest.raises(MalformedNotify) as caught:
            parse(to_wire(swallowed))
        assert caught.value.reason == "a field inside a value"

    def test_splitting_a_value_cannot_make_a_deciding_field(self) -> None:
        genuine = {name: value for name, value in NOTIFY.items() if name != "fee_type"}
        genuine["coupon_type_1"] = "NO_CASH&fee_type=HKD"
        split = signed(genuine) | {"coupon_type_1": "NO_CASH", "fee_type": "HKD"}

        assert isinstance(parse(to_wire(split)), PaymentConfirmed)
        with pytest.raises(MalformedNotify):
            parse(to_wire(signed(genuine)))  # so that of the two only one can ever have been meant


class TestNotifyThatReportsNoPayment:
    @pytest.mark.parametrize(
        "fields",
        [
            {"return_code": "FAIL"},
            {"return_code": "FAIL", "return_msg": "签名失败"},
            NOTIFY | {"return_code": "FAIL"},
            signed(NOTIFY | {"return_code": "FAIL"}),
            {"return_code": "SUCCESS"},
            {"return_code": "SUCCESS", "return_msg": "OK"},
        ],
    )
    def test_by_its_return_code_is_told_apart_without_a_signature(self, fields: dict[str, str]) -> None:
        assert parse(to_wire(fields)) == NotPaid("return_code")

    def test_by_its_result_code_is_told_apart(self) -> None:
        assert parse(a_notify(result_code="FAIL", err_code="SYSTEMERROR")) == NotPaid("result_code")

    def test_by_its_result_code_needs_the_signature(self) -> None:
        with pytest.raises(SignatureMismatch):
            parse(to_wire(NOTIFY | {"result_code": "FAIL"}))

    def test_without_a_return_code_is_malformed(self) -> None:
        with pytest.raises(MalformedNotify):
            parse(to_wire({"sign": "x"}))


@given(data=st.data())
def test_a_damaged_notify_is_refused_or_still_says_the_same(data: st.DataObject) -> None:
    body = bytearray(a_notify())
    start = data.draw(st.integers(0, len(body)))
    body[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=12))
    try:
        result = parse(bytes(body))
    except BadNotify:
        return
    assert result == PAID


class TestReply:
    def test_success_is_byte_for_byte_what_wechat_asks_for(self) -> None:
        expected = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"

        assert expected.encode() == REPLY_SUCCESS

    def test_fail_is_byte_for_byte_what_wechat_asks_for(self) -> None:
        expected = "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[sign]]></return_msg></xml>"

        assert expected.encode() == reply_fail("sign")

    @given(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), min_size=1)
    )
    def test_no_reason_can_break_out_of_the_reply(self, reason: str) -> None:
        reply = xmltodict.parse(reply_fail(reason + "]]>"), strip_whitespace=False)

        assert reply == {"xml": {"return_code": "FAIL", "return_msg": reason + "]]>"}}
