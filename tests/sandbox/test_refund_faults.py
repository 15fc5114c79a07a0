"""How refund, refundquery and downloadbill can be made to fail, and what of it reaches the ledger."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import xmltodict

from sandbox import flat_xml, signing
from tests.sandbox.rig import Fields, Rig


@pytest.fixture
async def paid(rig: Rig) -> Rig:
    await rig.ordered()
    await rig.paid()
    return rig


async def send_refund(rig: Rig, *, timeout_s: float = 10) -> httpx.Response:
    body = flat_xml.write(rig.signed(rig.refund_fields()))
    return await rig.http.post("/secapi/pay/refund", content=body, timeout=timeout_s)


async def refunds_known(rig: Rig) -> int:
    return len((await rig.ledger())["refunds"])


@pytest.mark.parametrize(("kind", "refunds"), [("fail_before", 0), ("fail_after", 1)])
async def test_a_cut_connection_comes_before_or_after_the_effect(paid: Rig, kind: str, refunds: int) -> None:
    await paid.fault("refund", kind)
    with pytest.raises(httpx.RemoteProtocolError):
        await send_refund(paid)

    assert await refunds_known(paid) == refunds
    await paid.refunded()
    assert await refunds_known(paid) == 1


@pytest.mark.parametrize(("kind", "refunds"), [("error", 0), ("error_after", 1)])
async def test_an_error_is_answered_before_or_after_the_effect(paid: Rig, kind: str, refunds: int) -> None:
    await paid.fault("refund", kind, code="SYSTEMERROR")

    assert (await paid.refund())["err_code"] == "SYSTEMERROR"
    assert await refunds_known(paid) == refunds


async def test_a_refund_whose_answer_was_cut_is_in_the_journal(paid: Rig) -> None:
    await paid.fault("refund", "fail_after")
    with pytest.raises(httpx.RemoteProtocolError):
        await send_refund(paid)
    await paid.refunded()
    calls = [call for call in (await paid.calls())["calls"] if call["api"] == "refund"]

    assert [(call["answer"], call["out_trade_no"], call["out_refund_no"]) for call in calls] == [
        ("fail_after", "ORDER000001", "REFUND000001"),
        ("SUCCESS", "ORDER000001", "REFUND000001"),
    ]


async def test_a_status_comes_without_effect(paid: Rig) -> None:
    await paid.fault("refund", "status", status=502)

    assert (await send_refund(paid)).status_code == 502
    assert await refunds_known(paid) == 0


@pytest.mark.parametrize("code", ["SYSTEMERROR", "BIZERR_NEED_RETRY", "NOTENOUGH", "CERT_ERROR", "TRADE_OVERDUE"])
async def test_error_is_a_signed_refusal_without_effect(paid: Rig, code: str) -> None:
    await paid.fault("refund", "error", code=code)
    answer = await paid.refund()

    assert (answer["result_code"], answer["err_code"]) == ("FAIL", code)
    assert answer["sign"]
    assert await refunds_known(paid) == 0


async def test_garbage_and_slowness_come_after_the_effect(paid: Rig) -> None:
    await paid.fault("refund", "garbage")
    with pytest.raises(flat_xml.BadXml):
        flat_xml.read((await send_refund(paid)).content)
    assert await refunds_known(paid) == 1
    await paid.fault("refund", "slow", delay_s=30)
    with pytest.raises(httpx.ReadTimeout):
        await send_refund(paid, timeout_s=0.3)


async def test_bad_sign_and_unsigned_spoil_the_answer_alone(paid: Rig) -> None:
    async def answer() -> Fields:
        return dict(xmltodict.parse((await send_refund(paid)).content)["xml"])

    await paid.fault("refund", "bad_sign")
    await paid.fault("refund", "unsigned")
    wrongly, un = await answer(), await answer()

    assert not signing.is_signed(wrongly, paid.merchant["api_key"], "HMAC-SHA256")
    assert len(wrongly["sign"]) == 64
    assert "sign" not in un
    assert await refunds_known(paid) == 1


async def test_an_outcome_is_used_up_by_its_call_even_if_that_is_a_repeat(paid: Rig) -> None:
    await paid.refunded(refund_fee="1")
    await paid.fault("refund", "outcome", state="CHANGE")
    await paid.refunded(refund_fee="1")
    await paid.advance(60)
    await paid.refunded("REFUND000002", refund_fee="1")
    await paid.advance(60)

    assert [refund["refund_status"] for refund in (await paid.ledger())["refunds"]] == ["SUCCESS", "SUCCESS"]


class TestRefundQuery:
    async def test_fails_in_all_the_ways_of_a_signed_call(self, paid: Rig) -> None:
        await paid.refunded()
        body = flat_xml.write(paid.signed(paid.about()))

        async def send() -> httpx.Response:
            return await paid.http.post("/pay/refundquery", content=body)

        for kind in ("fail_before", "fail_after"):
            await paid.fault("refundquery", kind)
            with pytest.raises(httpx.RemoteProtocolError):
                await send()
        await paid.fault("refundquery", "status", status=503)
        assert (await send()).status_code == 503
        await paid.fault("refundquery", "garbage")
        assert b"Bad Gateway" in (await send()).content
        await paid.fault("refundquery", "error", code="SYSTEMERROR")
        assert (await paid.refund_query())["err_code"] == "SYSTEMERROR"
        await paid.fault("refundquery", "unsigned")
        assert b"<sign>" not in (await send()).content
        assert (await paid.refund_query())["refund_count"] == "1"


class TestDownloadBill:
    async def test_fails_in_all_the_ways_of_an_unsigned_call(self, rig: Rig) -> None:
        day = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y%m%d")  # made long ago, in any time zone
        for kind in ("fail_before", "fail_after"):
            await rig.fault("downloadbill", kind)
            with pytest.raises(httpx.RemoteProtocolError):
                await rig.bill(day)
        await rig.fault("downloadbill", "status", status=500)
        assert (await rig.bill(day)).status_code == 500
        await rig.fault("downloadbill", "garbage")
        assert b"Bad Gateway" in (await rig.bill(day)).content
        await rig.fault("downloadbill", "oversize")
        assert len((await rig.bill(day)).content) > 10 * 1024 * 1024
        assert b"No Bill Exist" in (await rig.bill(day)).content
