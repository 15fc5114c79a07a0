"""
Refunds of API v2: the calls that ask for one and ask after it, their answers, and the notify that reports one.

The number, the amounts and the text of a refund come from the stored order alone, so a repeat says the same and
cannot refund twice. What WeChat answers counts only where it repeats what was asked.

Source: WeChat Pay API v2, "refund", "refund query", "refund result notification".
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from server.domain.document import Payment, Refund
from server.domain.events import RefundProgressed, RefundState
from server.domain.money import Fen
from server.errors import MalformedNotify, SignatureMismatch, WeChatUnavailable
from server.wechat import v2_answers
from server.wechat.flat_xml import read_flat_xml
from server.wechat.proof import KeyKind, Proved, uncounted
from server.wechat.v2_calls import signed_request
from server.wechat.v2_fields import checked, fen
from server.wechat.v2_sign import Merchant, check_ours
from server.wechat.wording import REFUND_TEXT

# Every other code leaves the outcome unknown, among them ORDER_NOT_READY and INVALID_REQ_TOO_MUCH: later, the same call
# may work. ERROR is a no with the reason in words; it can also mean that the money has gone back already.
REFUSALS: Final = v2_answers.REFUSALS | {
    "CERT_ERROR",
    "ERROR",
    "INVALID_TRANSACTIONID",
    "REFUNDNOTEXIST",
    "REFUND_FEE_MISMATCH",
    "USER_ACCOUNT_ABNORMAL",
}

_STATES: Final = {
    "PROCESSING": RefundState.PROCESSING,
    "SUCCESS": RefundState.SUCCESS,
    "REFUNDCLOSE": RefundState.CLOSED,  # the money stays with us
    "CHANGE": RefundState.ABNORMAL,  # the payer's card did not take it: it came back to us
}
_FINAL_STATUSES: Final = ("SUCCESS", "REFUNDCLOSE", "CHANGE")  # a notify reports an end
_MAX_PER_PAGE: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundNotice:
    """
    What a refund notify says.

    It is a hint: its cipher hides, but does not seal. Blocks of it can be cut and pasted without the key. So compare
    every number and `amount` (fen to give back) with the order's refund, and ask `refundquery` before anything is
    recorded or paid on its strength.
    """

    out_trade_no: str
    out_refund_no: str
    transaction_id: str
    amount: Fen
    progressed: RefundProgressed


def refund(payment: Payment, refund: Refund, merchant: Merchant, *, nonce: str) -> bytes:
    """Return the call that pays this refund; it needs the client certificate."""
    params = {
        "appid": merchant.appid_of(payment.trade_type),
        "mch_id": merchant.mch_id,
        "transaction_id": payment.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "total_fee": str(payment.amount),
        "refund_fee": str(refund.amount),
        "refund_fee_type": "CNY",
        "refund_desc": REFUND_TEXT[refund.reason],
        "notify_url": merchant.refund_notify_url,
    }
    return signed_request(params, merchant, nonce)


def refundquery(payment: Payment, refund: Refund, merchant: Merchant, *, nonce: str) -> bytes:
    """Return the call that asks how this refund stands."""
    params = {
        "appid": merchant.appid_of(payment.trade_type),
        "mch_id": merchant.mch_id,
        "out_refund_no": refund.out_refund_no,
    }
    return signed_request(params, merchant, nonce)


def accepted(fields: Mapping[str, str], payment: Payment, refund: Refund) -> RefundProgressed:
    """
    Return what a `refund` answer says: accepted, which is not yet paid.

    Raises:
        WeChatUnavailable: The answer is about another payment, refund or amount; `reason` names the field.
    """
    if fields.get("out_refund_no") != refund.out_refund_no:
        raise WeChatUnavailable("refund", "out_refund_no")
    _check_same("refund", fields, payment, refund)
    return _progressed("refund", fields, refund.out_refund_no, RefundState.PROCESSING)


def query_result(fields: Mapping[str, str], payment: Payment, refund: Refund) -> RefundProgressed:
    """
    Return how this refund stands by a `refundquery` answer.

    Raises:
        WeChatUnavailable: The answer is not about exactly this refund, or says what we do not understand.
    """
    places = [n for n in range(_MAX_PER_PAGE) if fields.get(f"out_refund_no_{n}") == refund.out_refund_no]
    if len(places) != 1:
        raise WeChatUnavailable("refundquery", "out_refund_no")
    names = ("refund_id", "refund_fee", "refund_status")
    found = {name: fields.get(f"{name}_{places[0]}", "") for name in names}
    _check_same("refundquery", {**fields, **found}, payment, refund)
    state = _STATES.get(found["refund_status"])
    if state is None:
        raise WeChatUnavailable("refundquery", "refund_status")
    return _progressed("refundquery", found, refund.out_refund_no, state)


def parse_refund_notify(body: bytes, merchant: Merchant, *, proved: Proved = uncounted) -> RefundNotice:
    """
    Read one refund notify: no signature, but a part that only WeChat and we can encrypt. `proved` is told which key
    opened it.

    Raises:
        SignatureMismatch: No key of ours opens it to a document. Every way to fail says the same, since each
            difference would help to guess the content of a captured notify.
        MalformedNotify, MerchantMismatch: The peer's fault.
    """
    outer = read_flat_xml(body)
    if outer.get("return_code") != "SUCCESS":
        raise MalformedNotify("return_code")
    check_ours(outer, merchant)
    inner = _open(outer.get("req_info", ""), merchant, proved)
    status = inner.get("refund_status", "")
    if status not in _FINAL_STATUSES:
        raise MalformedNotify("refund_status")
    out_refund_no = checked(inner, "out_refund_no")
    return RefundNotice(
        out_trade_no=checked(inner, "out_trade_no"),
        out_refund_no=out_refund_no,
        transaction_id=checked(inner, "transaction_id"),
        amount=fen(inner, "refund_fee"),
        progressed=RefundProgressed(
            out_refund_no=out_refund_no, state=_STATES[status], refund_id=checked(inner, "refund_id")
        ),
    )


def _check_same(call: str, fields: Mapping[str, str], payment: Payment, refund: Refund) -> None:
    asked = {
        "transaction_id": payment.transaction_id,
        "out_trade_no": payment.out_trade_no,
        "total_fee": str(payment.amount),
        "refund_fee": str(refund.amount),
    }
    for name, value in asked.items():
        if fields.get(name) != value:
            raise WeChatUnavailable(call, name)
    if (fields.get("fee_type") or "CNY") != "CNY":
        raise WeChatUnavailable(call, "fee_type")


def _progressed(call: str, fields: Mapping[str, str], out_refund_no: str, state: RefundState) -> RefundProgressed:
    try:
        refund_id = checked(fields, "refund_id")
    except MalformedNotify as exc:
        raise WeChatUnavailable(call, exc.reason) from None
    return RefundProgressed(out_refund_no=out_refund_no, state=state, refund_id=refund_id)


def _open(req_info: str, merchant: Merchant, proved: Proved) -> dict[str, str]:
    try:
        ciphertext = base64.b64decode(req_info)
    except ValueError:
        raise SignatureMismatch from None
    if base64.b64encode(ciphertext).decode() != req_info:  # the decoder overlooks blanks, rests and trailing "="
        raise SignatureMismatch
    for place, key in enumerate(merchant.api_keys, start=1):
        if (fields := _open_with(key, ciphertext)) is not None:
            proved(KeyKind.API_KEY, str(place))
            return fields
    raise SignatureMismatch


def _open_with(key: str, ciphertext: bytes) -> dict[str, str] | None:
    aes_key = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()  # all 32 characters
    decryptor = Cipher(algorithms.AES256(aes_key), modes.ECB()).decryptor()  # noqa: S305 - WeChat's choice
    unpadder = PKCS7(algorithms.AES256.block_size).unpadder()
    try:
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return read_flat_xml(unpadder.update(padded) + unpadder.finalize(), root="root")
    except (ValueError, MalformedNotify):  # one wrong key in 256 still leaves a right padding
        return None
