"""
What API v2 answers to our calls: believed, refused, or unknown.

Judged in WeChat's own order: `return_code`, signature, merchant, `result_code`, then what was asked. Whatever is not
clearly a yes or a no is unknown, and an unknown outcome is a question for later, never a state.

Source: WeChat Pay API v2, "unified order", "query order", "close order".
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, TradeType
from server.domain.prepaid import Prepaid
from server.errors import MalformedNotify, MerchantMismatch, SignatureMismatch, WeChatRefused, WeChatUnavailable
from server.wechat.account import wire_trade_type
from server.wechat.flat_xml import read_flat_xml
from server.wechat.trade_states import PAID, UNPAID
from server.wechat.v2_payment import paid_payment
from server.wechat.v2_sign import Merchant, check_ours, verify

# The codes with which WeChat says no for good to a call about a payment. Every other one leaves the outcome unknown:
# SYSTEMERROR, BIZERR_NEED_RETRY, FREQUENCY_LIMITED, USERPAYING, and any code nobody has told us of.
REFUSALS: Final = frozenset(
    {
        "APPID_MCHID_NOT_MATCH",
        "APPID_NOT_EXIST",
        "INVALID_REQUEST",
        "LACK_PARAMS",
        "MCHID_NOT_EXIST",
        "NOAUTH",
        "NOTENOUGH",
        "NOT_UTF8",
        "ORDERCLOSED",
        "ORDERNOTEXIST",
        "ORDERPAID",
        "OUT_TRADE_NO_USED",
        "PARAM_ERROR",
        "POST_DATA_EMPTY",
        "REQUIRE_POST_METHOD",
        "SIGNERROR",
        "TRADE_OVERDUE",
        "TRADE_STATE_ERROR",
        "XML_FORMAT_ERROR",
    },
)

# An unsigned FAIL names no code, only a sentence; these are the ones after which the call may have worked.
_AMBIGUOUS: Final = re.compile(
    r"system.?error|time.?out|retry|busy|frequen|系统|网络|繁忙|超时|稍后|重试|频", re.IGNORECASE
)

# What an INVALID_REQUEST says of a number that was ordered with other parameters.
_NUMBER_USED: Final = "商户订单号重复"

_PREPAY_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_GIVEN: Final = {
    TradeType.NATIVE: ("code_url", re.compile(r"weixin://[!-~]{1,500}")),
    TradeType.MWEB: ("mweb_url", re.compile(r"https?://[!-~]{1,500}")),
}
_WORD: Final = re.compile(r"[0-9A-Za-z_]{1,40}")


def read_answer(call: str, body: bytes, merchant: Merchant, *, refusals: frozenset[str] = REFUSALS) -> dict[str, str]:
    """
    Return the fields of an answer that is WeChat's, ours and a success.

    Raises:
        WeChatRefused: A clear no. `code` is one of `refusals` in that spelling, or `FAIL` for an unsigned one, which
            therefore can never be mistaken for a state of the order.
        WeChatUnavailable: Anything else; the outcome is unknown.
    """
    try:
        fields = read_flat_xml(body)
        _check_return_code(call, fields)
        verify(fields, merchant)
        check_ours(fields, merchant)
    except MalformedNotify:
        raise WeChatUnavailable(call, "malformed") from None
    except SignatureMismatch:
        raise WeChatUnavailable(call, "signature") from None
    except MerchantMismatch as exc:
        raise WeChatUnavailable(call, exc.field) from None
    _check_result_code(call, fields, refusals)
    return fields


def prepaid(fields: Mapping[str, str], trade_type: TradeType) -> Prepaid:
    """
    Return what a `unifiedorder` answer gives for an attempt of this trade type.

    Raises:
        WeChatUnavailable: Nothing that could be handed to a client.
    """
    name, form = _GIVEN.get(trade_type, ("prepay_id", _PREPAY_ID))
    value = fields.get(name, "")
    if fields.get("trade_type") != wire_trade_type(trade_type) or not form.fullmatch(value):
        raise WeChatUnavailable("unifiedorder", name)
    return replace(Prepaid(), **{name: value})


def query_result(
    fields: Mapping[str, str], *, out_trade_no: str, evidence: Evidence
) -> PaymentConfirmed | PaymentUnpaid:
    """
    Return how the attempt `out_trade_no` stands by an `orderquery` answer.

    Raises:
        WeChatUnavailable: The answer is about another attempt, or says what we do not understand.
    """
    if fields.get("out_trade_no") != out_trade_no:
        raise WeChatUnavailable("orderquery", "out_trade_no")
    state = fields.get("trade_state", "")
    if state in UNPAID:
        return PaymentUnpaid(out_trade_no, UNPAID[state])
    if state not in PAID:
        raise WeChatUnavailable("orderquery", "trade_state")
    try:
        return paid_payment(fields, evidence)
    except MalformedNotify as exc:
        raise WeChatUnavailable("orderquery", exc.reason) from None


def _check_return_code(call: str, fields: Mapping[str, str]) -> None:
    code = fields.get("return_code")
    if code == "SUCCESS":
        return
    message = fields.get("return_msg", "")
    if code != "FAIL" or _AMBIGUOUS.search(message):
        raise WeChatUnavailable(call, "return_code")
    raise WeChatRefused(call, "FAIL", message[:128])


def _check_result_code(call: str, fields: Mapping[str, str], refusals: frozenset[str]) -> None:
    result = fields.get("result_code")
    if result == "SUCCESS":
        return
    received = fields.get("err_code", "")
    letters = received.replace("_", "").upper()  # WeChat spells some with and without "_"
    code = next((refusal for refusal in refusals if refusal.replace("_", "") == letters), None)
    if result != "FAIL" or code is None:
        raise WeChatUnavailable(call, received if _WORD.fullmatch(received) else "result_code")
    message = fields.get("err_code_des", "")[:128]
    if code == "INVALID_REQUEST" and _NUMBER_USED in message:
        code = "OUT_TRADE_NO_USED"
    raise WeChatRefused(call, code, message)
