"""
The notifies of API v3, of payments and of refunds: from headers and bytes to what they prove.

Nothing is read before the signature over the bytes holds, and nothing is believed before it is opened with our key and
found to be ours. Whether the order exists, the amount is right and the payer is the expected one is the order's
business, not known here.

Source: WeChat Pay API v3, "payment notification", "refund result notification".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from server.domain.events import Evidence, PaymentConfirmed
from server.domain.money import Fen
from server.errors import MalformedNotify, MerchantMismatch
from server.wechat.proof import KeyKind, Proved, uncounted
from server.wechat.v3_cipher import Sealed, unseal
from server.wechat.v3_json import FenAmount, OutRefundNo, OutTradeNo, WeChatNumber, read_json
from server.wechat.v3_keys import KeyRing, verify
from server.wechat.v3_payment import Transaction, paid_payment
from server.wechat.v3_sign import V3Merchant


class _Notify(Struct, frozen=True):
    event_type: str
    resource_type: str
    resource: Sealed


class _RefundAmount(Struct, frozen=True):
    total: FenAmount
    refund: FenAmount


class _RefundResource(Struct, frozen=True):
    mchid: str
    transaction_id: WeChatNumber
    out_trade_no: OutTradeNo
    refund_id: WeChatNumber
    out_refund_no: OutRefundNo
    refund_status: str
    amount: _RefundAmount


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundEnded:
    """WeChat says that this refund came to an end; `amount` (fen) is what was to go back."""

    out_trade_no: str
    out_refund_no: str
    transaction_id: str
    amount: Fen


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """Rightly signed, and about nothing we keep: acknowledged, or WeChat would repeat it for a day."""

    event_type: str


_REFUND_EVENTS = {"REFUND.SUCCESS": "SUCCESS", "REFUND.ABNORMAL": "ABNORMAL", "REFUND.CLOSED": "CLOSED"}


def parse_notify(
    headers: Mapping[str, str],
    body: bytes,
    merchant: V3Merchant,
    ring: KeyRing,
    *,
    now_s: int,
    proved: Proved = uncounted,
) -> PaymentConfirmed | RefundEnded | OtherEvent:
    """
    Read one notify. Fetches, stores and logs nothing.

    Args:
        headers: A mapping that does not mind the case of names.
        body: The bytes as received; WeChat signs exactly these.
        now_s: Unix time in seconds.
        proved: Told which of WeChat's keys signed it and which of ours opened it.

    Raises:
        MalformedNotify, StaleNotify, UnknownSerial, SignatureMismatch, SealBroken, MerchantMismatch: The peer's fault,
            except that an unknown serial or a broken seal can also mean that a key of ours is missing.
    """
    proved(KeyKind.PLATFORM, verify(headers, body, ring, now_s=now_s))
    notify = read_json(body, _Notify)
    if notify.event_type == "TRANSACTION.SUCCESS":
        return _paid(unseal(notify.resource, merchant.api_v3_keys, proved=proved), merchant)
    if notify.event_type in _REFUND_EVENTS:
        refund = read_json(unseal(notify.resource, merchant.api_v3_keys, proved=proved), _RefundResource)
        return _ended(refund, _REFUND_EVENTS[notify.event_type], merchant)
    return OtherEvent(notify.event_type)


def _paid(plaintext: bytes, merchant: V3Merchant) -> PaymentConfirmed:
    transaction = read_json(plaintext, Transaction)
    if transaction.mchid != merchant.mch_id:
        raise MerchantMismatch("mchid")
    if transaction.appid not in merchant.appids:
        raise MerchantMismatch("appid")
    if not merchant.takes(transaction.trade_type, appid=transaction.appid):
        raise MerchantMismatch("trade_type")
    if transaction.trade_state != "SUCCESS":
        raise MalformedNotify("trade_state")
    return paid_payment(transaction, Evidence.NOTIFY)


def _ended(refund: _RefundResource, status: str, merchant: V3Merchant) -> RefundEnded:
    if refund.mchid != merchant.mch_id:
        raise MerchantMismatch("mchid")
    if refund.refund_status != status:
        raise MalformedNotify("refund_status")
    return RefundEnded(
        out_trade_no=refund.out_trade_no,
        out_refund_no=refund.out_refund_no,
        transaction_id=refund.transaction_id,
        amount=Fen(refund.amount.refund),
    )
