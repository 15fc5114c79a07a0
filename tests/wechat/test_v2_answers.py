import pytest

from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, TradeState, TradeType
from server.domain.money import Fen
from server.domain.prepaid import Prepaid
from server.errors import WeChatRefused, WeChatUnavailable
from server.wechat.v2_answers import REFUSALS, prepaid, query_result, read_answer
from tests.wechat.wechat_wire import (
    ANSWER,
    BEIJING_MS,
    OTHER_KEY,
    OUT_TRADE_NO,
    a_merchant,
    a_query_answer,
    an_answer,
    signed,
    to_wire,
)


def read(body: bytes) -> dict[str, str]:
    return read_answer("orderquery", body, a_merchant())


def unknown(body: bytes) -> str:
    with pytest.raises(WeChatUnavailable) as caught:
        read(body)
    assert caught.value.call == "orderquery"
    return caught.value.reason


def test_a_signed_success_is_believed() -> None:
    assert read(an_answer(result_msg="OK"))["result_msg"] == "OK"


def test_the_published_answer_holds_its_prepay() -> None:
    answer = {
        **ANSWER,
        "device_info": "WEB",
        "prepay_id": "wx21162000123456abcdef0123456789abcd00",
        "trade_type": "JSAPI",
        "sign": "594B94754B87AE5FE1FAEF11C8826C3DED50DDCE785301CF26AA5DF37FC92876",
    }

    fields = read_answer("unifiedorder", to_wire(answer), a_merchant())

    assert prepaid(fields, TradeType.JSAPI) == Prepaid(prepay_id="wx21162000123456abcdef0123456789abcd00")


class TestUnknownOutcome:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html><body>502 Bad Gateway</body></html>",
            b"{}",
            an_answer().decode().encode("utf-16"),
            b"<!DOCTYPE xml [<!ENTITY a 'x'>]>" + an_answer(),
            an_answer().replace(b"</xml>", b"<a><b>1</b></a></xml>"),
            an_answer().replace(b"</xml>", b"<result_code>SUCCESS</result_code></xml>"),
            an_answer()[:-20],
            an_answer() + b" " * 70_000,
        ],
    )
    def test_of_what_is_no_flat_xml(self, body: bytes) -> None:
        assert unknown(body) == "malformed"

    @pytest.mark.parametrize(
        "body",
        [
            to_wire(ANSWER),
            to_wire({**ANSWER, "sign": ""}),
            to_wire({**ANSWER, "sign": "0" * 64}),
            to_wire(signed(ANSWER, key=OTHER_KEY)),
            to_wire(signed(ANSWER, sign_type="MD5")),
            to_wire({**signed(ANSWER), "result_code": "FAIL", "err_code": "ORDERNOTEXIST"}),
            to_wire({**ANSWER, "result_code": "FAIL", "err_code": "ORDERPAID"}),
        ],
    )
    def test_of_an_answer_wechat_did_not_sign(self, body: bytes) -> None:
        assert unknown(body) == "signature"

    @pytest.mark.parametrize("name", ["appid", "mch_id", "sub_mch_id"])
    def test_of_an_answer_for_another_merchant(self, name: str) -> None:
        assert unknown(an_answer(**{name: "other"})) == name

    @pytest.mark.parametrize(
        "message",
        [
            "SYSTEMERROR",
            "System error",
            "系统错误",
            "系统繁忙，请稍后再试",
            "网络环境未能通过",
            "请求超时",
            "timeout",
            "",
        ],
    )
    def test_of_an_unsigned_failure_that_may_have_worked(self, message: str) -> None:
        if message:
            assert unknown(to_wire({"return_code": "FAIL", "return_msg": message})) == "return_code"
        assert unknown(to_wire({"return_code": "WHAT", "return_msg": message})) == "return_code"
        assert unknown(to_wire({"return_msg": message})) == "return_code"

    @pytest.mark.parametrize(
        "code",
        [
            "SYSTEMERROR",
            "SYSTEM_ERROR",
            "BIZERR_NEED_RETRY",
            "FREQUENCY_LIMITED",
            "USERPAYING",
            "BANKERROR",
            "NEW_CODE",
        ],
    )
    def test_of_a_code_that_is_no_clear_refusal(self, code: str) -> None:
        assert unknown(an_answer(result_code="FAIL", err_code=code)) == code

    @pytest.mark.parametrize("code", ["", "two words", "<script>", "码", "X" * 41])
    def test_of_a_code_that_is_no_word_is_not_quoted(self, code: str) -> None:
        assert unknown(an_answer(result_code="FAIL", err_code=code)) == "result_code"

    @pytest.mark.parametrize("result_code", ["", "success", "OK"])
    def test_of_a_result_that_is_neither_yes_nor_no(self, result_code: str) -> None:
        assert unknown(an_answer(result_code=result_code)) == "result_code"


class TestRefusal:
    @pytest.mark.parametrize("code", sorted(REFUSALS))
    def test_carries_wechats_code_in_one_spelling(self, code: str) -> None:
        for spelling in (code, code.replace("_", ""), code.lower()):
            with pytest.raises(WeChatRefused) as caught:
                read(an_answer(result_code="FAIL", err_code=spelling, err_code_des="说明"))
            assert (caught.value.code, caught.value.message) == (code, "说明")

    def test_of_two_words_is_the_code_without_the_line(self) -> None:
        with pytest.raises(WeChatRefused) as caught:
            read(an_answer(result_code="FAIL", err_code="ORDER_NOT_EXIST"))
        assert caught.value.code == "ORDERNOTEXIST"

    @pytest.mark.parametrize(
        "message", ["签名错误", "appid and openid not match", "ORDERPAID", "ORDERCLOSED", "ORDERNOTEXIST"]
    )
    def test_without_a_signature_never_carries_a_code_that_means_a_state(self, message: str) -> None:
        with pytest.raises(WeChatRefused) as caught:
            read(to_wire({"return_code": "FAIL", "return_msg": message, "err_code": message, "result_code": "FAIL"}))
        assert (caught.value.code, caught.value.message) == ("FAIL", message)


@pytest.mark.parametrize(
    "changes", [{}, {"prepay_id": "wx1", "trade_type": "NATIVE"}, {"prepay_id": "a&b=c", "trade_type": "JSAPI"}]
)
def test_an_order_answer_without_a_usable_prepay_is_unknown(changes: dict[str, str]) -> None:
    with pytest.raises(WeChatUnavailable) as caught:
        prepaid(read(an_answer(**changes)), TradeType.JSAPI)
    assert caught.value.reason == "prepay_id"


class TestGiven:
    def test_a_code_is_given_for_native(self) -> None:
        answer = read(an_answer(prepay_id="wx1", trade_type="NATIVE", code_url="weixin://wxpay/bizpayurl?pr=1"))

        assert prepaid(answer, TradeType.NATIVE) == Prepaid(code_url="weixin://wxpay/bizpayurl?pr=1")

    def test_a_link_is_given_for_h5(self) -> None:
        link = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1&package=2"
        answer = read(an_answer(prepay_id="wx1", trade_type="MWEB", mweb_url=link))

        assert prepaid(answer, TradeType.MWEB) == Prepaid(mweb_url=link)

    @pytest.mark.parametrize("url", ["", "javascript:alert(1)", "weixin://a b", "https://example.com"])
    def test_no_code_but_wechats_own_is_handed_on(self, url: str) -> None:
        with pytest.raises(WeChatUnavailable):
            prepaid(read(an_answer(trade_type="NATIVE", code_url=url)), TradeType.NATIVE)

    def test_a_mini_program_is_answered_as_jsapi_and_an_app_as_app(self) -> None:
        given = Prepaid(prepay_id="wx1")

        assert prepaid(read(an_answer(prepay_id="wx1", trade_type="JSAPI")), TradeType.MINIPROGRAM) == given
        assert prepaid(read(an_answer(prepay_id="wx1", trade_type="APP")), TradeType.APP) == given


class TestQuery:
    @pytest.mark.parametrize("evidence", [Evidence.QUERY, Evidence.RETURN])
    @pytest.mark.parametrize("trade_state", ["SUCCESS", "REFUND"])
    def test_of_a_paid_attempt_confirms_it_even_when_refunded(self, trade_state: str, evidence: Evidence) -> None:
        fields = read(a_query_answer(trade_state=trade_state))

        assert query_result(fields, out_trade_no=OUT_TRADE_NO, evidence=evidence) == PaymentConfirmed(
            out_trade_no=OUT_TRADE_NO,
            transaction_id="4200000215202611210261405420",
            amount=Fen(1000),
            openid="oUpF8uMEb4qRXf22hE3X68TekukE",
            paid_at_ms=BEIJING_MS,
            evidence=evidence,
        )

    @pytest.mark.parametrize(
        ("trade_state", "meaning"),
        [
            ("NOTPAY", TradeState.NOTPAY),
            ("ACCEPT", TradeState.NOTPAY),
            ("USERPAYING", TradeState.USERPAYING),
            ("PAYERROR", TradeState.PAYERROR),
            ("CLOSED", TradeState.CLOSED),
            ("REVOKED", TradeState.CLOSED),
        ],
    )
    def test_of_an_unpaid_attempt_needs_no_more_than_number_and_state(
        self, trade_state: str, meaning: TradeState
    ) -> None:
        fields = read(an_answer(out_trade_no=OUT_TRADE_NO, trade_state=trade_state))

        result = query_result(fields, out_trade_no=OUT_TRADE_NO, evidence=Evidence.QUERY)

        assert result == PaymentUnpaid(OUT_TRADE_NO, meaning)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"out_trade_no": "PAY20261121000000002"}, "out_trade_no"),
            ({"out_trade_no": ""}, "out_trade_no"),
            ({"trade_state": "NEW_STATE"}, "trade_state"),
            ({"trade_state": ""}, "trade_state"),
            ({"total_fee": "1.00"}, "total_fee"),
            ({"transaction_id": ""}, "transaction_id"),
            ({"time_end": ""}, "time_end"),
        ],
    )
    def test_that_does_not_say_clearly_how_our_attempt_stands_is_unknown(
        self, changes: dict[str, str], reason: str
    ) -> None:
        fields = read(a_query_answer(**changes))

        with pytest.raises(WeChatUnavailable) as caught:
            query_result(fields, out_trade_no=OUT_TRADE_NO, evidence=Evidence.QUERY)
        assert caught.value.reason == reason
