"""Pay notifies: what they say, when they are repeated, and how faults bend them."""

from itertools import pairwise

import pytest

from sandbox import flat_xml, signing
from sandbox.notifier import RETRY_GAPS_S
from tests.sandbox.rig import FAIL, SUCCESS, Rig


def is_rightly_signed(rig: Rig, body: bytes) -> bool:
    fields = flat_xml.read(body)
    sign_type = "HMAC-SHA256" if len(fields["sign"]) == 64 else "MD5"
    return signing.is_signed(fields, rig.merchant["api_key"], sign_type)


async def test_a_paid_order_is_notified_with_all_wechat_tells(rig: Rig) -> None:
    await rig.ordered()
    transaction_id = await rig.paid()
    (notify,) = await rig.shop.wait_for(1)

    assert is_rightly_signed(rig, rig.shop.bodies[0])
    assert len(notify["sign"]) == 64
    assert {name: notify[name] for name in notify if name not in ("nonce_str", "sign", "time_end")} == {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": rig.merchant["appid"],
        "mch_id": rig.merchant["mch_id"],
        "sign_type": "HMAC-SHA256",
        "openid": await rig.openid(),
        "is_subscribe": "N",
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": "1000",
        "fee_type": "CNY",
        "cash_fee": "1000",
        "transaction_id": transaction_id,
        "out_trade_no": "ORDER000001",
        "attach": "o=42&k=a+b",
    }
    assert notify["time_end"] == (await rig.query())["time_end"]
    assert b"<total_fee><![CDATA[1000]]></total_fee>" in rig.shop.bodies[0]


async def test_an_md5_order_is_notified_with_md5(rig: Rig) -> None:
    await rig.ordered(sign_type="")
    await rig.paid()
    (notify,) = await rig.shop.wait_for(1)

    assert len(notify["sign"]) == 32
    assert "sign_type" not in notify
    assert is_rightly_signed(rig, rig.shop.bodies[0])


async def test_an_order_that_was_not_paid_is_not_notified(rig: Rig) -> None:
    await rig.ordered()
    await rig.pay(out_trade_no="ORDER000001", outcome="cancel")
    await rig.pay(out_trade_no="ORDER000001", outcome="fail")
    await rig.ordered("ORDER000002")
    await rig.paid("ORDER000002")

    assert [notify["out_trade_no"] for notify in await rig.shop.wait_for(1)] == ["ORDER000002"]


async def test_a_notify_answered_fail_is_repeated_on_the_whole_schedule_and_no_longer(rig: Rig) -> None:
    rig.shop.reply = FAIL
    await rig.ordered()
    await rig.paid()
    for sent, gap_s in enumerate(RETRY_GAPS_S, start=1):
        await rig.pending_of(sent + 1)
        await rig.advance(gap_s - 1)
        await rig.advance(1)
    notifies = await rig.journal_of(16)
    await rig.pending_of()
    await rig.advance(24 * 3600)
    await rig.ordered("ORDER000002")
    await rig.paid("ORDER000002")
    await rig.shop.wait_for(17)
    sent_at_s = [notify["sent_at_ms"] / 1000 for notify in notifies]
    gaps_s = [after - before for before, after in pairwise(sent_at_s)]

    assert all(gap_s >= due_s for gap_s, due_s in zip(gaps_s, RETRY_GAPS_S, strict=True)), gaps_s
    assert sum(RETRY_GAPS_S) == 24 * 3600 + 4 * 60
    assert [notify["nth"] for notify in notifies] == list(range(1, 17))
    assert {notify["answer"] for notify in notifies} == {"FAIL: not yet"}
    assert [notify["out_trade_no"] for notify in rig.shop.notifies[16:]] == ["ORDER000002"]


@pytest.mark.parametrize("reply", [b"success", b'{"return_code":"SUCCESS"}', b"", SUCCESS + b"<!-- -->x"])
async def test_an_answer_that_is_not_wechats_success_is_repeated(rig: Rig, reply: bytes) -> None:
    rig.shop.reply = reply
    await rig.ordered()
    await rig.paid()
    await rig.pending_of(2)
    rig.shop.reply = SUCCESS
    await rig.advance(15)
    await rig.shop.wait_for(2)
    notifies = await rig.journal_of(2)

    assert notifies[1]["answer"] == "SUCCESS"


async def test_an_unreachable_merchant_is_tried_again(rig: Rig) -> None:
    await rig.ordered(notify_url="http://127.0.0.1:9/nobody")
    await rig.paid()
    await rig.pending_of(2)
    await rig.advance(15)
    notifies = await rig.journal_of(2)

    assert [(notify["nth"], notify["status"]) for notify in notifies] == [(1, None), (2, None)]


async def test_an_answer_after_the_deadline_counts_as_none(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.notifier.ANSWER_DEADLINE_S", 0.2)
    rig.shop.may_answer.clear()
    await rig.ordered()
    await rig.paid()
    await rig.pending_of(2)
    rig.shop.may_answer.set()
    await rig.advance(15)
    late, in_time = await rig.journal_of(2)

    assert (late["status"], late["answered_at_ms"], late["answer"]) == (None, None, "no answer within 0.2 s")
    assert in_time["answer"] == "SUCCESS"


async def test_the_journal_tells_when_a_notify_went_and_was_answered(rig: Rig) -> None:
    await rig.ordered()
    await rig.paid()
    (notify,) = await rig.journal_of(1)

    assert notify["sent_at_ms"] < notify["answered_at_ms"] < notify["sent_at_ms"] + 5000
    assert (notify["out_trade_no"], notify["nth"], notify["status"], notify["answer"]) == (
        "ORDER000001",
        1,
        200,
        "SUCCESS",
    )


class TestFaults:
    async def test_drop_loses_one_and_the_schedule_brings_the_next(self, rig: Rig) -> None:
        await rig.fault("notify", "drop")
        await rig.ordered()
        await rig.paid()
        await rig.pending_of(2)
        assert rig.shop.bodies == []
        await rig.advance(15)

        assert len(await rig.shop.wait_for(1)) == 1
        notifies = await rig.journal_of(2)
        assert [notify.get("fault") for notify in notifies] == ["drop", None]

    async def test_delay_waits_on_the_simulators_clock(self, rig: Rig) -> None:
        await rig.fault("notify", "delay", delay_s=600)
        await rig.ordered()
        await rig.paid()
        await rig.ordered("ORDER000002")
        await rig.paid("ORDER000002")
        await rig.shop.wait_for(1)
        await rig.advance(600)
        notifies = await rig.shop.wait_for(2)

        assert [notify["out_trade_no"] for notify in notifies] == ["ORDER000002", "ORDER000001"]

    async def test_duplicate_sends_copies_of_the_very_same_document(self, rig: Rig) -> None:
        await rig.fault("notify", "duplicate", n=5)
        await rig.ordered()
        await rig.paid()
        await rig.shop.wait_for(5)

        assert len(set(rig.shop.bodies)) == 1

    async def test_reorder_lets_the_next_notify_overtake(self, rig: Rig) -> None:
        await rig.fault("notify", "reorder")
        await rig.ordered()
        await rig.paid()
        await rig.ordered("ORDER000002")
        await rig.paid("ORDER000002")
        notifies = await rig.shop.wait_for(2)

        assert [notify["out_trade_no"] for notify in notifies] == ["ORDER000002", "ORDER000001"]

    async def test_forge_is_signed_wrongly_and_never_counts_as_delivered(self, rig: Rig) -> None:
        await rig.fault("notify", "forge")
        await rig.ordered()
        await rig.paid()
        await rig.shop.wait_for(1)
        await rig.pending_of(2)
        await rig.advance(15)
        notifies = await rig.journal_of(2)

        assert [is_rightly_signed(rig, body) for body in rig.shop.bodies] == [False, True]
        assert [(notify["nth"], notify.get("fault")) for notify in notifies] == [(1, "forge"), (2, None)]

    async def test_probe_goes_ahead_of_the_true_one(self, rig: Rig) -> None:
        await rig.fault("notify", "probe")
        await rig.ordered()
        await rig.paid()
        notifies = await rig.journal_of(2)

        assert [is_rightly_signed(rig, body) for body in rig.shop.bodies] == [False, True]
        assert [(notify["nth"], notify.get("fault")) for notify in notifies] == [(1, "probe"), (1, None)]

    @pytest.mark.parametrize(
        ("kind", "parameters", "field", "value"),
        [
            ("amount", {}, "total_fee", "1001"),
            ("amount", {"total_fee": 1}, "total_fee", "1"),
            ("amount", {"total_fee": "1.00"}, "total_fee", "1.00"),
            ("appid", {}, "appid", "wx0000000000000000"),
            ("mch_id", {"mch_id": "1999999999"}, "mch_id", "1999999999"),
            ("openid", {"openid": "oSomebodyElse"}, "openid", "oSomebodyElse"),
            ("out_trade_no", {"out_trade_no": "ANOTHER0001"}, "out_trade_no", "ANOTHER0001"),
            ("unknown_fields", {}, "future_field_x", "new"),
            ("coupon", {"coupon_fee": 20}, "cash_fee", "980"),
            ("sign_type", {}, "sign_type", "MD5"),
            ("sign_type", {"sign_type": "hmac-sha256"}, "sign_type", "hmac-sha256"),
            ("sign_type", {"sign_type": ""}, "sign_type", None),
        ],
    )
    async def test_bent_content_is_signed_rightly(
        self, rig: Rig, kind: str, parameters: dict[str, object], field: str, value: str | None
    ) -> None:
        await rig.fault("notify", kind, **parameters)
        await rig.ordered()
        await rig.paid()
        (notify,) = await rig.shop.wait_for(1)

        assert notify.get(field) == value
        assert is_rightly_signed(rig, rig.shop.bodies[0])
