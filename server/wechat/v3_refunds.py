"""
Refunds of API v3: the calls that ask for one and ask after it, and their answers.

The number, the amounts and the text come from the stored order alone, so a repeat says the same and cannot refund
twice. An answer counts only where it repeats what was asked.

Source: WeChat Pay API v3, "refund", "query a refund".
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from server.domain.document import Payment, Refund
from server.domain.events import RefundProgressed, RefundState
from server.errors import MalformedNotify, WeChatUnavailable
from server.wechat.v3_calls import Call, post
from server.wechat.v3_json import Currency, FenAmount, OutRefundNo, OutTradeNo, WeChatNumber, read_json
from server.wechat.v3_sign import V3Merchant
from server.wechat.wording import REFUND_TEXT

_PATH: Final = "/v3/refund/domestic/refunds"

STATES: Final[Mapping[str, RefundState]] = {
    "PROCESSING": RefundState.PROCESSING,
    "SUCCESS": RefundState.SUCCESS,
    "CLOSED": RefundState.CLOSED,  # the money stays with us
    "ABNORMAL": RefundState.ABNORMAL,  # the payer's card did not take it: it came back to us
}


class _Amount(Struct, frozen=True):
    total: FenAmount
    refund: FenAmount
    currency: Currency = "CNY"


class _Refund(Struct, frozen=True):
    refund_id: WeChatNumber
    out_refund_no: OutRefundNo
    transaction_id: WeChatNumber
    out_trade_no: OutTradeNo
    status: str
    amount: _Amount


def refund(payment: Payment, refund: Refund, merchant: V3Merchant) -> Call:
    """Return the call that pays this refund; the signature is all it needs."""
    params: dict[str, Any] = {
        "transaction_id": payment.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "reason": REFUND_TEXT[refund.reason],
        "notify_url": merchant.notify_url,
        "amount": {"refund": refund.amount, "total": payment.amount, "currency": "CNY"},
    }
    return post("refund", _PATH, params)


def refund_query(refund: Refund) -> Call:
    """Return the call that asks how this refund stands."""
    return Call("refund_query", "GET", f"{_PATH}/{quote(refund.out_refund_no, safe='')}")


def accepted(body: bytes, payment: Payment, refund: Refund) -> RefundProgressed:
    """
    Return what the answer to `refund` says: accepted. That it is paid, only a query tells.

    Raises:
        WeChatUnavailable: The answer is about another payment, refund or amount; `reason` names the field.
    """
    answer = _read("refund", body, payment, refund)
    return RefundProgressed(
        out_refund_no=refund.out_refund_no, state=RefundState.PROCESSING, refund_id=answer.refund_id
    )


def query_result(body: bytes, payment: Payment, refund: Refund) -> RefundProgressed:
    """
    Return how the refund stands.

    Raises:
        WeChatUnavailable: The answer is not about exactly this refund, or says what we do not understand.
    """
    answer = _read("refund_query", body, payment, refund)
    state = STATES.get(answer.status)
    if state is None:
        raise WeChatUnavailable("refund_query", "status")
    return RefundProgressed(out_refund_no=refund.out_refund_no, state=state, refund_id=answer.refund_id)


def _read(call: str, body: bytes, payment: Payment, refund: Refund) -> _Refund:
    try:
        answer = read_json(body, _Refund)
    except MalformedNotify as error:
        raise WeChatUnavailable(call, error.reason) from None
    pairs = {
        "transaction_id": (answer.transaction_id, payment.transaction_id),
        "out_trade_no": (answer.out_trade_no, payment.out_trade_no),
        "out_refund_no": (answer.out_refund_no, refund.out_refund_no),
        "amount.total": (answer.amount.total, payment.amount),
        "amount.refund": (answer.amount.refund, refund.amount),
        "amount.currency": (answer.amount.currency, "CNY"),
    }
    for name, (said, asked) in pairs.items():
        if said != asked:
            raise WeChatUnavailable(call, name)
    return answer
