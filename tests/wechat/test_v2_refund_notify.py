import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.pay import WeChatPay

from server.domain.events import RefundProgressed, RefundState
from server.domain.money import Fen
from server.errors import BadNotify, MalformedNotify, MerchantMismatch, SignatureMismatch
from server.wechat.v2_refunds import RefundNotice, parse_refund_notify
from tests.wechat.refund_wire import (
    REFUND_NOTIFY,
    REQ_INFO,
    a_refund_notify,
    encrypted,
    encrypted_blocks,
    inner_xml,
)
from tests.wechat.wechat_wire import KEY, OTHER_KEY, OUT_TRADE_NO, a_merchant

BLOCK = 16


def read(body: bytes, *keys: str) -> RefundNotice:
    return parse_refund_notify(body, a_merchant(*keys))


def test_the_known_notify_is_read() -> None:
    assert read(a_refund_notify()) == RefundNotice(
        out_trade_no=OUT_TRADE_NO,
        out_refund_no="RF20261121000000001",
        transaction_id="4200000215202611210261405420",
        amount=Fen(1000),
        progressed=RefundProgressed(
            out_refund_no="RF20261121000000001",
            state=RefundState.SUCCESS,
            refund_id="50000408942018111907145868882",
        ),
    )


def test_another_library_reads_the_same() -> None:
    theirs = WeChatPay("wxd930ea5d5a258f4f", KEY, "10000100").parse_refund_notify_result(a_refund_notify().decode())
    ours = read(a_refund_notify())

    assert theirs["refund_fee"] == ours.amount
    assert theirs["out_refund_no"] == ours.out_refund_no
    assert theirs["refund_id"] == ours.progressed.refund_id
    assert {name: str(value) for name, value in theirs.items()} == REFUND_NOTIFY


@pytest.mark.parametrize(("status", "state"), [("CHANGE", RefundState.ABNORMAL), ("REFUNDCLOSE", RefundState.CLOSED)])
def test_a_refund_that_did_not_reach_the_payer_is_abnormal_or_closed(status: str, state: RefundState) -> None:
    notice = read(a_refund_notify(encrypted(inner_xml({**REFUND_NOTIFY, "refund_status": status}))))

    assert notice.progressed.state is state


def test_a_notify_under_the_key_of_before_is_still_read() -> None:
    assert read(a_refund_notify(), OTHER_KEY, KEY).amount == 1000


def test_unknown_fields_inside_and_outside_change_nothing() -> None:
    inside = encrypted(inner_xml({**REFUND_NOTIFY, "future_field_x": "new"}))

    assert read(a_refund_notify(inside, future_field_x="new")) == read(a_refund_notify())


CIPHERTEXT = base64.b64decode(REQ_INFO)
UNREADABLE = {
    "missing": "",
    "under another key": encrypted(inner_xml(REFUND_NOTIFY), OTHER_KEY),
    "not base64": "%%%",
    "not ASCII": "退款",
    "base64 with a line in it": REQ_INFO[:76] + "\n" + REQ_INFO[76:],
    "base64 without its end": REQ_INFO[:-1],
    "base64 and more": REQ_INFO + "====",
    "no whole blocks": base64.b64encode(CIPHERTEXT[:-1]).decode(),
    "its last block missing": base64.b64encode(CIPHERTEXT[:-BLOCK]).decode(),
    "its first block missing": base64.b64encode(CIPHERTEXT[BLOCK:]).decode(),
    "two blocks exchanged": base64.b64encode(
        CIPHERTEXT[BLOCK : 2 * BLOCK] + CIPHERTEXT[:BLOCK] + CIPHERTEXT[2 * BLOCK :]
    ).decode(),
    "padding of 0": encrypted_blocks(b"<root><a>1</a></root>".ljust(2 * BLOCK, b"\x00")),
    "padding of 17": encrypted_blocks(b"<root><a>1</a></root>".ljust(3 * BLOCK, b"\x11")),
    "padding that differs": encrypted_blocks(b"<root><a>1</a></root>" + b"\x01" * 10 + b"\x0b"),
    "padding alone": encrypted(b""),
    "no XML": encrypted(b"hello"),
    "another root": encrypted(inner_xml(REFUND_NOTIFY).replace(b"root>", b"xml>")),
    "a document type": encrypted(b"<!DOCTYPE root SYSTEM 'http://127.0.0.1:9/'>" + inner_xml(REFUND_NOTIFY)),
    "a field twice": encrypted(inner_xml(REFUND_NOTIFY).replace(b"</root>", b"<refund_fee>1</refund_fee></root>")),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_notify_we_cannot_open_is_refused_the_same_way_whatever_is_wrong(case: str) -> None:
    with pytest.raises(SignatureMismatch) as caught:
        read(a_refund_notify(UNREADABLE[case]), OTHER_KEY[::-1], KEY)
    assert caught.value.args == ()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refund_status", "PROCESSING"),
        ("refund_status", ""),
        ("refund_fee", "0"),
        ("refund_fee", "-1"),
        ("refund_fee", "10.00"),
        ("refund_fee", "１０"),
        ("out_trade_no", ""),
        ("out_trade_no", "a&b"),
        ("out_refund_no", "x" * 65),
        ("refund_id", ""),
        ("transaction_id", "4200 1"),
    ],
)
def test_a_field_inside_that_is_missing_or_not_of_its_form_is_named(name: str, value: str) -> None:
    with pytest.raises(MalformedNotify) as caught:
        read(a_refund_notify(encrypted(inner_xml({**REFUND_NOTIFY, name: value}))))
    assert caught.value.reason == name


@pytest.mark.parametrize("name", ["appid", "mch_id", "sub_mch_id"])
def test_a_notify_for_another_merchant_is_refused(name: str) -> None:
    with pytest.raises(MerchantMismatch) as caught:
        read(a_refund_notify(**{name: "other"}))
    assert caught.value.field == name


@pytest.mark.parametrize("return_code", ["FAIL", "", "success"])
def test_a_notify_that_reports_no_success_is_refused(return_code: str) -> None:
    with pytest.raises(MalformedNotify) as caught:
        read(a_refund_notify(return_code=return_code))
    assert caught.value.reason == "return_code"


@given(st.binary(max_size=400))
def test_no_ciphertext_crashes_the_reader(ciphertext: bytes) -> None:
    with pytest.raises(SignatureMismatch):
        read(a_refund_notify(base64.b64encode(ciphertext).decode()))


@given(st.permutations(range(len(CIPHERTEXT) // BLOCK)))
def test_blocks_in_another_order_are_read_as_nothing_but_a_notice_or_a_refusal(order: list[int]) -> None:
    blocks = b"".join(CIPHERTEXT[at * BLOCK : (at + 1) * BLOCK] for at in order)
    with contextlib.suppress(BadNotify):
        assert isinstance(read(a_refund_notify(base64.b64encode(blocks).decode())), RefundNotice)
