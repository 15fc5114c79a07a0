"""Refund notifies: their cipher, what they say, when they are repeated, and how faults bend them."""

import base64

import pytest
import xmltodict
from wechatpy.pay import WeChatPay

from sandbox import flat_xml, refund_cipher
from tests.sandbox.rig import FAIL, SUCCESS, Fields, Rig

KEY = "192006250b4c09247ec02edce69f6a2d"
PLAINTEXT = (
    "<root><out_refund_no><![CDATA[RF20261121000000001]]></out_refund_no>"
    "<out_trade_no><![CDATA[PAY20261121000000001]]></out_trade_no>"
    "<refund_account><![CDATA[REFUND_SOURCE_RECHARGE_FUNDS]]></refund_account><refund_fee>1000</refund_fee>"
    "<refund_id>50000408942018111907145868882</refund_id><refund_recv_accout>支付用户零钱</refund_recv_accout>"
    "<refund_request_source>API</refund_request_source><refund_status>SUCCESS</refund_status>"
    "<settlement_refund_fee>990</settlement_refund_fee><success_time>2026-11-21 16:24:13</success_time>"
    "<total_fee>1000</total_fee><transaction_id>4200000215202611210261405420</transaction_id></root>"
)
REQ_INFO = (
    "WBzGpzQuNpcFxIlFjUUD9FS4tLqEQ5H8bdh90ek2njMM/AmaBHsrEKKvG/cCcwCVPhL+H4f4bHxpnud1e1XGrhHgth8D6u2RiGjo7kz7SBpoRj"
    "3vAqMMbiUySVOqd9N9eo4p+ZKb4dZkqV6pDxwWSMIgPxHR9TCX+Z3bCjpyhs0ZlzZ4IHnYubBlNF5DEbqQ8jwFcyfAuG4sujwkR36x3P7zNMpw"
    "2W7of5a2iRyz0Mz5H9esOmltP25m1TwAnWjxzKaQd5BrCQ+fhQamKPHUmVU/4dKSmCnj4lcnWiDwqnFh85MhuzZghXmvBPHbdqunu53ZBjowNQ"
    "UMdqpRgDIz/1XMn06wXB5CLVBlBJKWOJHs3VsfYB10ogIt63PYgIj5D+A5HZAJpO0GP2pxbjdBeOPq0kK6fMybWTJVKn1aKccnIMJDQxLepcfN"
    "SLvk+xail4zPq5SMq4Dg8+4FqlfJUTQ5bBfU9e3wNzA0QLRo30L+ZP7hGHxMLtOT0kb1HhX22/hsPsiSUV8rMUUCq7CSTP8fOdcEuLWG/XkwdH"
    "s04mkCYdgqYKlhHSz92Ru1Uy5JG2NF/wShb2l4JS+IKj39fjKsIYxnN+nKF8dqCHtPKXYqDv5Y15MSDYFPW0Fg6dCR+e6SPv2J3WqtgQFMcmEb"
    "0wmY3XBnLZdptepumpRaw0+JJLK6vZd4FJNoZqiNp7O1rSzKeLOUxJRcwO+F3uOrS8Nm+4uvCZ3AXdHDBTz4IC3HiCsMANfL+Oyymc/r+7+Ym4"
    "g0lpdgs7BLrDXJ5WnaDGcHkRRhOZYxtUk5xhqm46sKOt/cqf3+URcIn2oPMYUl"
)


@pytest.fixture
async def paid(rig: Rig) -> Rig:
    """A rig whose first order, of 1000 fen, is paid, and whose shop has forgotten the pay notify."""
    await rig.ordered()
    await rig.paid()
    await rig.pending_of()
    rig.shop.bodies.clear()
    return rig


def opened(rig: Rig, body: bytes) -> Fields:
    """Open a notify as an independent client does."""
    peer = WeChatPay(rig.merchant["appid"], rig.merchant["api_key"], rig.merchant["mch_id"])
    try:
        told = peer.parse_refund_notify_result(body.decode())
    finally:
        peer._http.close()
    return {name: str(value) for name, value in told.items()}


def test_the_cipher_reproduces_what_openssl_made() -> None:
    assert refund_cipher.encrypt(PLAINTEXT.encode(), KEY) == REQ_INFO


async def test_an_ended_refund_is_notified_with_all_wechat_tells(paid: Rig) -> None:
    refund_id = await paid.refunded(refund_fee="300")
    await paid.advance(2)
    (notify,) = await paid.shop.wait_for(1)
    asked = await paid.refund_query()

    assert set(notify) == {"return_code", "appid", "mch_id", "nonce_str", "req_info"}
    assert opened(paid, paid.shop.bodies[0]) == {
        "transaction_id": asked["transaction_id"],
        "out_trade_no": "ORDER000001",
        "refund_id": refund_id,
        "out_refund_no": "REFUND000001",
        "total_fee": "1000",
        "settlement_total_fee": "1000",
        "refund_fee": "300",
        "settlement_refund_fee": "300",
        "refund_status": "SUCCESS",
        "success_time": asked["refund_success_time_0"],
        "refund_recv_accout": "支付用户零钱",
        "refund_account": "REFUND_SOURCE_UNSETTLED_FUNDS",
        "refund_request_source": "API",
    }


async def test_nothing_is_notified_before_the_refund_has_ended(paid: Rig) -> None:
    await paid.refunded()
    (pending,) = await paid.pending_of(1)
    ended_ms = (await paid.http.get("/_sim/clock")).json()["now_ms"] + 2000
    await paid.advance(2)
    (sent,) = (await paid.journal_of(2))[1:]

    assert pending["out_refund_no"] == sent["out_refund_no"] == "REFUND000001"
    assert pending["due_at_ms"] <= sent["sent_at_ms"]
    assert pending["due_at_ms"] <= ended_ms
    assert await paid.pending_of() == []


async def test_a_refund_without_notify_url_is_not_notified(paid: Rig) -> None:
    await paid.refunded(notify_url="", refund_fee="1")
    await paid.advance(60)
    await paid.refunded("REFUND000002", refund_fee="1")
    await paid.advance(2)
    await paid.shop.wait_for(1)

    assert [opened(paid, body)["out_refund_no"] for body in paid.shop.bodies] == ["REFUND000002"]


async def test_a_refund_asked_for_again_is_notified_once(paid: Rig) -> None:
    await paid.refunded(refund_fee="1")
    await paid.refunded(refund_fee="1")
    await paid.advance(60)
    await paid.pending_of()
    await paid.refunded("REFUND000002", refund_fee="1")
    await paid.advance(2)
    await paid.pending_of()
    sent = (await paid.calls())["notifies"][1:]

    assert [notify["out_refund_no"] for notify in sent] == ["REFUND000001", "REFUND000002"]


@pytest.mark.parametrize("state", ["CHANGE", "REFUNDCLOSE"])
async def test_a_refund_that_did_not_reach_the_payer_is_notified_as_well(paid: Rig, state: str) -> None:
    await paid.fault("refund", "outcome", state=state)
    await paid.refunded()
    await paid.advance(2)
    await paid.shop.wait_for(1)
    told = opened(paid, paid.shop.bodies[0])

    assert told["refund_status"] == state
    assert "success_time" not in told


async def test_a_notify_answered_fail_is_repeated_on_the_pay_notifys_schedule(paid: Rig) -> None:
    paid.shop.reply = FAIL
    await paid.refunded()
    await paid.advance(2)
    for nth in (2, 3):
        await paid.pending_of(nth)
        await paid.advance(15)
    (pending,) = await paid.pending_of(4)
    paid.shop.reply = SUCCESS
    await paid.advance(30)
    sent = (await paid.journal_of(5))[1:]

    assert pending["due_at_ms"] >= sent[2]["sent_at_ms"] + 30_000
    assert [notify["nth"] for notify in sent] == [1, 2, 3, 4]
    assert [notify["answer"] for notify in sent] == ["FAIL: not yet"] * 3 + ["SUCCESS"]
    assert await paid.pending_of() == []


class TestFaults:
    async def test_pay_notifies_do_not_suffer_them(self, rig: Rig) -> None:
        await rig.fault("refund_notify", "drop")
        await rig.ordered()
        await rig.paid()

        assert "fault" not in (await rig.journal_of(1))[0]

    async def test_drop_loses_one_and_the_schedule_brings_the_next(self, paid: Rig) -> None:
        await paid.fault("refund_notify", "drop")
        await paid.refunded()
        await paid.advance(2)
        await paid.pending_of(2)
        assert paid.shop.bodies == []
        await paid.advance(15)
        await paid.shop.wait_for(1)

        assert [notify.get("fault") for notify in (await paid.journal_of(3))[1:]] == ["drop", None]

    async def test_delay_waits_on_the_simulators_clock(self, paid: Rig) -> None:
        await paid.fault("refund_notify", "delay", delay_s=600)
        await paid.refunded()
        await paid.ordered("ORDER000002")
        await paid.advance(2)
        await paid.paid("ORDER000002")
        await paid.shop.wait_for(1)
        await paid.advance(600)
        first, second = await paid.shop.wait_for(2)

        assert "req_info" not in first
        assert "req_info" in second

    async def test_duplicate_sends_copies_of_the_very_same_document(self, paid: Rig) -> None:
        await paid.fault("refund_notify", "duplicate", n=5)
        await paid.refunded()
        await paid.advance(2)
        await paid.shop.wait_for(5)

        assert len(set(paid.shop.bodies)) == 1

    async def test_reorder_lets_the_next_notify_overtake(self, paid: Rig) -> None:
        await paid.fault("refund_notify", "reorder")
        await paid.refunded()
        await paid.advance(2)
        await paid.ordered("ORDER000002")
        await paid.paid("ORDER000002")
        first, second = await paid.shop.wait_for(2)

        assert first["out_trade_no"] == "ORDER000002"
        assert "req_info" in second

    @pytest.mark.parametrize("kind", ["forge", "bad_padding"])
    async def test_a_forged_one_cannot_be_opened_and_never_counts_as_delivered(self, paid: Rig, kind: str) -> None:
        await paid.fault("refund_notify", kind)
        await paid.refunded()
        await paid.advance(2)
        await paid.shop.wait_for(1)
        await paid.pending_of(2)
        await paid.advance(15)
        forged, true = await paid.shop.wait_for(2)

        assert len(base64.b64decode(forged["req_info"])) % 16 == 0
        assert forged["req_info"] != true["req_info"]
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of bytes that are no XML
            opened(paid, paid.shop.bodies[0])
        assert opened(paid, paid.shop.bodies[1])["refund_status"] == "SUCCESS"

    async def test_probe_goes_ahead_of_the_true_one(self, paid: Rig) -> None:
        await paid.fault("refund_notify", "probe")
        await paid.refunded()
        await paid.advance(2)
        probe, true = await paid.shop.wait_for(2)

        assert probe["req_info"] != true["req_info"]
        assert [(notify["nth"], notify.get("fault")) for notify in (await paid.journal_of(3))[1:]] == [
            (1, "probe"),
            (1, None),
        ]

    @pytest.mark.parametrize(
        ("kind", "parameters", "field", "value"),
        [
            ("amount", {}, "refund_fee", "1001"),
            ("amount", {"refund_fee": 1}, "refund_fee", "1"),
            ("out_trade_no", {}, "out_trade_no", "FOREIGN0000000000000000001"),
            ("out_refund_no", {"out_refund_no": "ANOTHER0001"}, "out_refund_no", "ANOTHER0001"),
            ("transaction_id", {}, "transaction_id", "4200000000000000000000000000"),
            ("refund_status", {}, "refund_status", "CHANGE"),
            ("refund_status", {"refund_status": "REFUNDCLOSE"}, "refund_status", "REFUNDCLOSE"),
            ("unknown_fields", {}, "future_field_x", "new"),
        ],
    )
    async def test_bent_content_is_encrypted_rightly(
        self, paid: Rig, kind: str, parameters: dict[str, object], field: str, value: str
    ) -> None:
        await paid.fault("refund_notify", kind, **parameters)
        await paid.refunded()
        await paid.advance(2)
        await paid.shop.wait_for(1)

        assert opened(paid, paid.shop.bodies[0])[field] == value

    @pytest.mark.parametrize("kind", ["appid", "mch_id"])
    async def test_the_merchant_can_be_another_one(self, paid: Rig, kind: str) -> None:
        await paid.fault("refund_notify", kind)
        await paid.refunded()
        await paid.advance(2)
        (notify,) = await paid.shop.wait_for(1)

        assert notify[kind] != paid.merchant[kind]


def test_a_value_survives_the_inner_document() -> None:
    written = flat_xml.write({"refund_recv_accout": "支付<用户>]]>零钱"}, root="root")

    assert xmltodict.parse(written)["root"]["refund_recv_accout"] == "支付<用户>]]>零钱"
