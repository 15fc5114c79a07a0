import json
from typing import Any

import pytest
from msgspec.structs import replace

from server.domain.events import Evidence, PaymentConfirmed, TradeType
from server.domain.money import Fen
from server.errors import (
    BadNotify,
    MalformedNotify,
    MerchantMismatch,
    SealBroken,
    SignatureMismatch,
    StaleNotify,
)
from server.wechat.v3 import OtherEvent, RefundEnded, parse_notify
from tests.wechat.v3_vectors import (
    T12_BODY,
    T12_NONCE,
    T12_SIGNATURE,
    T12_TIMESTAMP,
)
from tests.wechat.v3_wire import (
    APPID,
    KEY_ID,
    MINIPROGRAM_APPID,
    NOTIFIED_AT_S,
    OPEN_APPID,
    OTHER_V3_KEY,
    TRANSACTION,
    a_ring,
    a_v3_merchant,
    a_v3_notify,
    signed_headers,
)
from tests.wechat.wechat_wire import BEIJING_MS

PAID = PaymentConfirmed(
    out_trade_no="PAY20261121000000001",
    transaction_id="4200000215202611210261405420",
    amount=Fen(1000),
    openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    paid_at_ms=BEIJING_MS,
    evidence=Evidence.NOTIFY,
)
REFUND = {
    "mchid": "1900007291",
    "transaction_id": "4200000215202611210261405420",
    "out_trade_no": "PAY20261121000000001",
    "refund_id": "50000408942018111907145868882",
    "out_refund_no": "RF20261121000000001",
    "refund_status": "SUCCESS",
    "success_time": "2026-11-21T18:00:00+08:00",
    "user_received_account": "支付用户零钱",
    "amount": {"total": 1000, "refund": 300, "payer_total": 980, "payer_refund": 290},
}


def read(body: bytes, *keys: str) -> PaymentConfirmed | RefundEnded | OtherEvent:
    return parse_notify(signed_headers(body), body, a_v3_merchant(*keys), a_ring(), now_s=NOTIFIED_AT_S)


def refusal(body: bytes) -> BadNotify:
    with pytest.raises(BadNotify) as caught:
        read(body)
    return caught.value


def test_the_published_notify_is_believed() -> None:
    headers = {
        "Wechatpay-Timestamp": T12_TIMESTAMP,
        "Wechatpay-Nonce": T12_NONCE,
        "Wechatpay-Signature": T12_SIGNATURE,
        "Wechatpay-Serial": KEY_ID,
    }

    assert parse_notify(headers, T12_BODY.encode(), a_v3_merchant(), a_ring(), now_s=NOTIFIED_AT_S) == PAID


def test_what_the_payer_paid_himself_is_not_what_we_asked_for() -> None:
    coupon = {**TRANSACTION, "amount": {"total": 1000, "payer_total": 1, "currency": "CNY"}}

    assert read(a_v3_notify(coupon)) == PAID


def test_unknown_fields_and_any_offset_are_accepted() -> None:
    odd = {**TRANSACTION, "success_time": "2026-11-21T08:24:13Z", "promotion_detail": [{"coupon_id": "1"}], "new": 1}

    assert read(a_v3_notify(odd)) == PAID


def test_every_key_of_ours_opens_it() -> None:
    assert read(a_v3_notify(key=OTHER_V3_KEY), "x" * 32, OTHER_V3_KEY) == PAID


@pytest.mark.parametrize(
    ("trade_type", "appid"),
    [("JSAPI", MINIPROGRAM_APPID), ("NATIVE", APPID), ("MWEB", APPID), ("APP", OPEN_APPID)],
)
def test_every_scene_of_ours_is_believed_under_its_own_appid(trade_type: str, appid: str) -> None:
    read_back = read(a_v3_notify({**TRANSACTION, "trade_type": trade_type, "appid": appid}))

    assert read_back == replace(PAID, trade_type=TradeType(trade_type))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("mchid", {"mchid": "1900000001"}),
        ("appid", {"appid": "wx0000000000000000"}),
        ("appid", {"appid": ""}),
        ("trade_type", {"trade_type": "MICROPAY"}),
        ("trade_type", {"trade_type": "APP"}),
        ("trade_type", {"appid": OPEN_APPID}),
    ],
)
def test_what_is_not_ours_is_refused(field: str, changes: dict[str, str]) -> None:
    refused = refusal(a_v3_notify({**TRANSACTION, **changes}))

    assert isinstance(refused, MerchantMismatch)
    assert refused.field == field


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("trade_state", {"trade_state": "REFUND"}),
        ("trade_state", {"trade_state": None}),
        ("out_trade_no", {"out_trade_no": "x\ny" * 3}),
        ("transaction_id", {"transaction_id": None}),
        ("transaction_id", {"transaction_id": "42 00"}),
        ("success_time", {"success_time": "2026-13-21T16:24:13+08:00"}),
        ("success_time", {"success_time": "2026-11-21T16:24:13"}),
        ("success_time", {"success_time": "now"}),
        ("payer", {"payer": None}),
        ("payer.openid", {"payer": {"openid": ""}}),
        ("amount", {"amount": None}),
        ("amount.total", {"amount": {"total": 0}}),
        ("amount.total", {"amount": {"total": -1000}}),
        ("amount.total", {"amount": {"total": "1000"}}),
        ("amount.total", {"amount": {"total": 1000.5}}),
        ("amount.total", {"amount": {"total": True}}),
        ("amount.total", {"amount": {"total": 10**30}}),
        ("amount.currency", {"amount": {"total": 1000, "currency": "cny\n"}}),
    ],
)
def test_a_field_of_another_form_is_refused_by_name(reason: str, changes: dict[str, Any]) -> None:
    refused = refusal(a_v3_notify({**TRANSACTION, **changes}))

    assert isinstance(refused, MalformedNotify)
    assert refused.reason == reason


@pytest.mark.parametrize("event_type", ["REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"])
def test_the_end_of_a_refund_is_told_with_its_numbers(event_type: str) -> None:
    body = a_v3_notify({**REFUND, "refund_status": event_type.removeprefix("REFUND.")}, event_type=event_type)

    assert read(body) == RefundEnded(
        out_trade_no="PAY20261121000000001",
        out_refund_no="RF20261121000000001",
        transaction_id="4200000215202611210261405420",
        amount=Fen(300),
    )


@pytest.mark.parametrize(
    "changes",
    [{"mchid": "1"}, {"refund_status": "ABNORMAL"}, {"out_refund_no": ""}, {"amount": {"total": 1000, "refund": 0}}],
)
def test_a_refund_that_is_not_ours_or_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    refusal(a_v3_notify({**REFUND, **changes}, event_type="REFUND.SUCCESS"))


def test_another_event_is_acknowledged_without_being_opened() -> None:
    body = a_v3_notify({}, event_type="PAYSCORE.USER_OPEN_SERVICE", key=OTHER_V3_KEY)

    assert read(body) == OtherEvent("PAYSCORE.USER_OPEN_SERVICE")


def test_a_notify_sealed_with_a_key_that_is_not_ours_is_refused() -> None:
    assert isinstance(refusal(a_v3_notify(key=OTHER_V3_KEY)), SealBroken)


def test_another_algorithm_is_refused() -> None:
    notify = json.loads(a_v3_notify())
    notify["resource"]["algorithm"] = "AEAD_SM4_GCM"

    assert isinstance(refusal(json.dumps(notify).encode()), SealBroken)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"event_type":1}', b"<xml></xml>", b"[" * 20_000])
def test_what_is_no_notify_is_refused_though_it_is_signed(body: bytes) -> None:
    assert isinstance(refusal(body), MalformedNotify)


def test_nothing_is_read_before_the_signature_holds() -> None:
    body = a_v3_notify()

    with pytest.raises(SignatureMismatch):
        parse_notify(signed_headers(b"{}"), body, a_v3_merchant(), a_ring(), now_s=NOTIFIED_AT_S)
    with pytest.raises(StaleNotify):
        parse_notify(signed_headers(body), body, a_v3_merchant(), a_ring(), now_s=NOTIFIED_AT_S + 300)
