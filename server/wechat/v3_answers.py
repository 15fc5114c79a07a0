"""
What API v3 answers to our calls: believed, refused, or unknown.

A no names a code only where its signature held, as a yes does: an unsigned one is never mistaken for a state of the
order. WeChat spells some codes with and without `_`, and API v2 has a word of its own for most of them; the use cases
know that word alone.

Source: WeChat Pay API v3, "error codes", "query order", "JSAPI / APP / H5 / Native order".
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from server.domain.document import Payment
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, TradeType
from server.domain.prepaid import Prepaid
from server.errors import MalformedNotify, WeChatRefused, WeChatUnavailable
from server.wechat.trade_states import PAID, UNPAID
from server.wechat.v3_json import read_json
from server.wechat.v3_payment import Transaction, paid_payment
from server.wechat.v3_sign import V3Merchant

# WeChat's clear no, without "_", and the word we know it by. Every other code leaves the outcome unknown, among them
# SYSTEM_ERROR, BANK_ERROR and FREQUENCY_LIMITED: later, the same call may work.
_REFUSALS: Final[Mapping[str, str]] = {
    "ACCOUNTERROR": "ACCOUNT_ERROR",
    "APPIDMCHIDNOTMATCH": "APPID_MCHID_NOT_MATCH",
    "INVALIDREQUEST": "INVALID_REQUEST",
    "INVALIDTRANSACTIONID": "INVALID_TRANSACTIONID",
    "MCHNOTEXISTS": "MCHID_NOT_EXIST",
    "NOAUTH": "NOAUTH",
    "NOSTATEMENTEXIST": "NO_STATEMENT_EXIST",
    "NOTENOUGH": "NOTENOUGH",
    "OPENIDMISMATCH": "OPENID_MISMATCH",
    "ORDERCLOSED": "ORDERCLOSED",
    "ORDERNOTEXIST": "ORDERNOTEXIST",
    "ORDERPAID": "ORDERPAID",
    "OUTTRADENOUSED": "OUT_TRADE_NO_USED",
    "PARAMERROR": "PARAM_ERROR",
    "RESOURCENOTEXISTS": "RESOURCE_NOT_EXISTS",
    "RULELIMIT": "RULE_LIMIT",
    "SIGNERROR": "SIGNERROR",
    "TRADEERROR": "TRADE_ERROR",
    "USERACCOUNTABNORMAL": "USER_ACCOUNT_ABNORMAL",
}
# INVALID_REQUEST says many things; the number at the end of `Request-ID` says which.
_DETAILS: Final[Mapping[str, str]] = {
    "268449538": "ORDERPAID",
    "268498689": "ORDERPAID",
    "268498688": "OUT_TRADE_NO_USED",  # the same number with other parameters
}
# What a code means at one call alone.
_AT_CALL: Final[Mapping[tuple[str, str], str]] = {
    ("query", "RESOURCE_NOT_EXISTS"): "ORDERNOTEXIST",
    ("close", "RESOURCE_NOT_EXISTS"): "ORDERNOTEXIST",
    ("refund_query", "RESOURCE_NOT_EXISTS"): "REFUNDNOTEXIST",
}
# Seconds after a payment its refund can be told that there is no such order.
_NOT_YET: Final = frozenset({("refund", "RESOURCE_NOT_EXISTS")})
_WORD: Final = re.compile(r"[0-9A-Za-z_]{1,40}")

_PrepayId = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_-]{1,64}\Z")]
_CodeUrl = Annotated[str, Meta(pattern=r"\Aweixin://[!-~]{1,500}\Z")]
_H5Url = Annotated[str, Meta(pattern=r"\Ahttps?://[!-~]{1,500}\Z")]


class _PrepayAnswer(Struct, frozen=True):
    prepay_id: _PrepayId


class _NativeAnswer(Struct, frozen=True):
    code_url: _CodeUrl


class _H5Answer(Struct, frozen=True):
    h5_url: _H5Url


class _Error(Struct, frozen=True):
    code: str
    message: str = ""


def refusal(call: str, status: int, body: bytes, *, request_id: str) -> WeChatRefused | WeChatUnavailable:
    """Return what a rightly signed answer other than 2xx says: a clear no, or that the outcome is unknown."""
    try:
        error = read_json(body, _Error)
    except MalformedNotify:
        return WeChatUnavailable(call, f"http_{status}")
    code = _REFUSALS.get(error.code.replace("_", "").upper())
    if code is None or (call, code) in _NOT_YET:
        return WeChatUnavailable(call, error.code if _WORD.fullmatch(error.code) else f"http_{status}")
    if code == "INVALID_REQUEST":
        code = _DETAILS.get(request_id.rpartition("-")[2], code)
    message = f"{error.message[:128]} (Request-ID {request_id[:64]})"  # what WeChat's support asks for
    return WeChatRefused(call, _AT_CALL.get((call, code), code), message)


def unsigned_refusal(call: str, status: int) -> WeChatRefused | WeChatUnavailable:
    """Return what an unsigned answer other than 2xx says: `FAIL` without a code, or that the outcome is unknown."""
    if status in (400, 401, 403, 404):
        return WeChatRefused(call, "FAIL", f"http_{status}, unsigned")
    return WeChatUnavailable(call, f"http_{status}")


def prepaid(body: bytes, trade_type: TradeType) -> Prepaid:
    """
    Return what an order call gave.

    Raises:
        WeChatUnavailable: Nothing that could be handed to a client.
    """
    try:
        if trade_type is TradeType.NATIVE:
            return Prepaid(code_url=read_json(body, _NativeAnswer).code_url)
        if trade_type is TradeType.MWEB:
            return Prepaid(mweb_url=read_json(body, _H5Answer).h5_url)
        return Prepaid(prepay_id=read_json(body, _PrepayAnswer).prepay_id)
    except MalformedNotify as error:
        raise WeChatUnavailable("prepay", error.reason) from None


def query_result(
    body: bytes, payment: Payment, merchant: V3Merchant, *, evidence: Evidence
) -> PaymentConfirmed | PaymentUnpaid:
    """
    Return how this attempt stands by a query's answer.

    Raises:
        WeChatUnavailable: The answer is about another attempt or merchant, or says what we do not understand.
    """
    try:
        transaction = read_json(body, Transaction)
        _check_about(transaction, payment, merchant)
        if transaction.trade_state in UNPAID:
            return PaymentUnpaid(payment.out_trade_no, UNPAID[transaction.trade_state])
        if transaction.trade_state not in PAID:
            raise MalformedNotify("trade_state")
        return paid_payment(transaction, evidence)
    except MalformedNotify as error:
        raise WeChatUnavailable("query", error.reason) from None


def _check_about(transaction: Transaction, payment: Payment, merchant: V3Merchant) -> None:
    expected = {
        "mchid": merchant.mch_id,
        "appid": merchant.appid_of(payment.trade_type),
        "out_trade_no": payment.out_trade_no,
    }
    for name, value in expected.items():
        if getattr(transaction, name) != value:
            raise MalformedNotify(name)
