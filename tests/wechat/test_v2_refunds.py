import pytest
from msgspec.structs import replace

from server.domain.events import RefundProgressed, RefundReason, RefundState
from server.domain.money import Fen
from server.errors import WeChatRefused, WeChatUnavailable
from server.wechat.flat_xml import read_flat_xml
from server.wechat.v2_answers import read_answer
from server.wechat.v2_refunds import REFUSALS, accepted, query_result, refund, refundquery
from tests.builders import attempt_no, refund_no
from tests.wechat.refund_wire import a_refund, a_refund_answer, a_refundquery_answer
from tests.wechat.wechat_wire import a_merchant, an_answer, signature

NONCE = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"
REFUND_ID = "50000408942018111907145868882"


def read(body: bytes) -> dict[str, str]:
    return read_answer("refund", body, a_merchant(), refusals=REFUSALS)


class TestRefundCall:
    def test_says_what_the_order_fixed_and_another_library_signs_it_alike(self) -> None:
        _, payment, owed = a_refund()

        fields = read_flat_xml(refund(payment, owed, a_merchant(), nonce=NONCE))

        assert fields.pop("sign") == signature(fields)
        assert fields == {
            "appid": "wxd930ea5d5a258f4f",
            "mch_id": "10000100",
            "transaction_id": "42000001",
            "out_refund_no": refund_no(),
            "total_fee": "100",
            "refund_fee": "30",
            "refund_fee_type": "CNY",
            "refund_desc": "代付退款",
            "notify_url": "https://pay.example.com/wechat/notify/refund",
            "nonce_str": NONCE,
            "sign_type": "HMAC-SHA256",
        }

    @pytest.mark.parametrize("reason", RefundReason)
    def test_tells_the_payer_why_in_what_wechat_shows(self, reason: RefundReason) -> None:
        _, payment, owed = a_refund()

        fields = read_flat_xml(refund(payment, replace(owed, reason=reason), a_merchant(), nonce=NONCE))

        assert 0 < len(fields["refund_desc"].encode()) <= 80

    def test_repeated_later_differs_in_nonce_and_signature_only(self) -> None:
        _, payment, owed = a_refund()
        later = replace(owed, state=RefundState.PROCESSING, refund_id=REFUND_ID)

        first = read_flat_xml(refund(payment, owed, a_merchant(), nonce="a" * 32))
        again = read_flat_xml(refund(payment, later, a_merchant(), nonce="b" * 32))

        assert {name for name in first if first[name] != again[name]} == {"nonce_str", "sign"}


def test_a_refund_query_names_the_refund() -> None:
    _, payment, owed = a_refund()
    fields = read_flat_xml(refundquery(payment, owed, a_merchant(), nonce=NONCE))

    assert fields.pop("sign") == signature(fields)
    assert fields == {
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "out_refund_no": refund_no(),
        "nonce_str": NONCE,
        "sign_type": "HMAC-SHA256",
    }


class TestRefundAnswer:
    def test_of_success_means_accepted_and_not_yet_paid(self) -> None:
        _, payment, owed = a_refund()

        assert accepted(read(a_refund_answer()), payment, owed) == RefundProgressed(
            out_refund_no=refund_no(), state=RefundState.PROCESSING, refund_id=REFUND_ID
        )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("transaction_id", "42000002"),
            ("out_trade_no", attempt_no(2)),
            ("out_refund_no", refund_no(1, 2)),
            ("out_refund_no", ""),
            ("total_fee", "101"),
            ("refund_fee", "31"),
            ("refund_fee", "030"),
            ("refund_fee", "30.00"),
            ("refund_fee", ""),
            ("fee_type", "HKD"),
            ("refund_id", ""),
            ("refund_id", "5 0"),
        ],
    )
    def test_that_does_not_repeat_what_was_asked_is_unknown(self, name: str, value: str) -> None:
        _, payment, owed = a_refund()

        with pytest.raises(WeChatUnavailable) as caught:
            accepted(read(a_refund_answer(**{name: value})), payment, owed)
        assert (caught.value.call, caught.value.reason) == ("refund", name)


class TestRefundCodes:
    """Each code of WeChat's tables for refund and refund query."""

    @pytest.mark.parametrize(
        "code",
        [
            "TRADE_OVERDUE",
            "ERROR",
            "USER_ACCOUNT_ABNORMAL",
            "NOTENOUGH",
            "INVALID_TRANSACTIONID",
            "PARAM_ERROR",
            "INVALID_REQUEST",
            "REFUND_FEE_MISMATCH",
            "ORDERNOTEXIST",
            "CERT_ERROR",
            "APPID_NOT_EXIST",
            "MCHID_NOT_EXIST",
            "APPID_MCHID_NOT_MATCH",
            "SIGNERROR",
            "XML_FORMAT_ERROR",
            "REQUIRE_POST_METHOD",
            "REFUNDNOTEXIST",
        ],
    )
    def test_that_say_no_refuse_in_one_spelling(self, code: str) -> None:
        for spelling in (code, code.replace("_", ""), code.lower()):
            with pytest.raises(WeChatRefused) as caught:
                read(an_answer(result_code="FAIL", err_code=spelling, err_code_des="说明"))
            assert (caught.value.code, caught.value.message) == (code, "说明")

    @pytest.mark.parametrize(
        "code",
        [
            "SYSTEMERROR",
            "BIZERR_NEED_RETRY",
            "INVALID_REQ_TOO_MUCH",
            "ORDER_NOT_READY",
            "FREQUENCY_LIMITED",
            "NEW_CODE",
        ],
    )
    def test_after_which_the_same_call_may_work_leave_the_outcome_unknown(self, code: str) -> None:
        with pytest.raises(WeChatUnavailable) as caught:
            read(an_answer(result_code="FAIL", err_code=code))
        assert caught.value.reason == code

    @pytest.mark.parametrize("code", ["ERROR", "REFUNDNOTEXIST"])
    def test_of_refunds_say_nothing_of_a_payment(self, code: str) -> None:
        with pytest.raises(WeChatUnavailable):
            read_answer("orderquery", an_answer(result_code="FAIL", err_code=code), a_merchant())


class TestRefundQuery:
    @pytest.mark.parametrize(
        ("refund_status", "state"),
        [
            ("SUCCESS", RefundState.SUCCESS),
            ("PROCESSING", RefundState.PROCESSING),
            ("REFUNDCLOSE", RefundState.CLOSED),
            ("CHANGE", RefundState.ABNORMAL),
        ],
    )
    def test_tells_how_the_refund_stands(self, refund_status: str, state: RefundState) -> None:
        fields = read(a_refundquery_answer(refund_status_0=refund_status))

        assert query_result(fields, *a_refund()[1:]) == RefundProgressed(
            out_refund_no=refund_no(), state=state, refund_id=REFUND_ID
        )

    def test_finds_the_refund_among_those_of_its_payment(self) -> None:
        _, payment, refund = a_refund()
        second = replace(refund, out_refund_no=refund_no(1, 2), amount=Fen(20))
        fields = read(
            a_refundquery_answer(
                refund_count="2",
                out_refund_no_1=refund_no(1, 2),
                refund_id_1="2",
                refund_fee_1="20",
                refund_status_1="PROCESSING",
            )
        )

        progressed = query_result(fields, payment, second)

        assert (progressed.state, progressed.refund_id) == (RefundState.PROCESSING, "2")

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"out_refund_no_0": refund_no(1, 2)}, "out_refund_no"),
            ({"out_refund_no_0": ""}, "out_refund_no"),
            ({"out_refund_no_1": refund_no()}, "out_refund_no"),
            ({"refund_status_0": "NEW"}, "refund_status"),
            ({"refund_status_0": ""}, "refund_status"),
            ({"refund_id_0": ""}, "refund_id"),
            ({"refund_fee_0": "31"}, "refund_fee"),
            ({"refund_fee_0": ""}, "refund_fee"),
            ({"total_fee": "99"}, "total_fee"),
            ({"transaction_id": "42000002"}, "transaction_id"),
            ({"out_trade_no": attempt_no(2)}, "out_trade_no"),
            ({"fee_type": "USD"}, "fee_type"),
        ],
    )
    def test_that_does_not_say_clearly_how_our_refund_stands_is_unknown(
        self, changes: dict[str, str], reason: str
    ) -> None:
        with pytest.raises(WeChatUnavailable) as caught:
            query_result(read(a_refundquery_answer(**changes)), *a_refund()[1:])
        assert (caught.value.call, caught.value.reason) == ("refundquery", reason)
