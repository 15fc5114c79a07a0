"""How WeChat's calls can be made to fail, and what of it reaches the ledger."""

import httpx
import pytest
import xmltodict

from sandbox import flat_xml, signing
from tests.sandbox.rig import Rig


async def send_order(rig: Rig) -> httpx.Response:
    return await rig.http.post("/pay/unifiedorder", content=flat_xml.write(rig.signed(await rig.order_fields())))


async def orders_known(rig: Rig) -> int:
    return len((await rig.http.get("/_sim/ledger")).json()["orders"])


@pytest.mark.parametrize(("kind", "orders"), [("fail_before", 0), ("fail_after", 1)])
async def test_a_cut_connection_comes_before_or_after_the_effect(rig: Rig, kind: str, orders: int) -> None:
    await rig.fault("unifiedorder", kind)
    with pytest.raises(httpx.RemoteProtocolError):
        await send_order(rig)

    assert await orders_known(rig) == orders
    assert (await rig.order())["result_code"] == "SUCCESS"


async def test_a_status_comes_without_effect(rig: Rig) -> None:
    await rig.fault("unifiedorder", "status", status=502)

    assert (await send_order(rig)).status_code == 502
    assert await orders_known(rig) == 0


async def test_garbage_is_no_xml_though_the_order_exists(rig: Rig) -> None:
    await rig.fault("unifiedorder", "garbage")
    response = await send_order(rig)

    with pytest.raises(flat_xml.BadXml):
        flat_xml.read(response.content)
    assert await orders_known(rig) == 1


async def test_oversize_is_ten_megabytes(rig: Rig) -> None:
    await rig.fault("orderquery", "oversize")
    response = await rig.http.post("/pay/orderquery", content=flat_xml.write(rig.signed(rig.about())))

    assert len(response.content) > 10 * 1024 * 1024


async def test_slow_answers_after_the_effect(rig: Rig) -> None:
    await rig.fault("unifiedorder", "slow", delay_s=30)
    with pytest.raises(httpx.ReadTimeout):
        await rig.http.post(
            "/pay/unifiedorder", content=flat_xml.write(rig.signed(await rig.order_fields())), timeout=0.3
        )

    assert await orders_known(rig) == 1


async def test_error_is_a_signed_refusal_without_effect(rig: Rig) -> None:
    await rig.fault("unifiedorder", "error", code="SYSTEMERROR", message="系统超时")
    answer = await rig.order()

    assert (answer["result_code"], answer["err_code"], answer["err_code_des"]) == ("FAIL", "SYSTEMERROR", "系统超时")
    assert answer["sign"]
    assert await orders_known(rig) == 0


async def test_bad_sign_and_unsigned_spoil_the_answer_alone(rig: Rig) -> None:
    await rig.fault("unifiedorder", "bad_sign")
    await rig.fault("unifiedorder", "unsigned")
    wrongly, un = [xmltodict.parse((await send_order(rig)).content)["xml"] for _ in range(2)]

    assert not signing.is_signed(wrongly, rig.merchant["api_key"], "HMAC-SHA256")
    assert len(wrongly["sign"]) == 64
    assert "sign" not in un
    assert await orders_known(rig) == 1


async def test_a_fault_of_one_call_leaves_the_others_alone(rig: Rig) -> None:
    await rig.fault("closeorder", "error", code="SYSTEMERROR")
    await rig.ordered()
    await rig.advance(300)

    assert (await rig.query())["result_code"] == "SUCCESS"
    assert (await rig.close())["err_code"] == "SYSTEMERROR"
    assert (await rig.close())["result_code"] == "SUCCESS"


async def test_login_calls_can_fail_as_well(rig: Rig) -> None:
    await rig.fault("oauth", "error", code=-1, message="system busy")
    await rig.fault("oauth", "status", status=500)
    await rig.fault("oauth", "fail_before")

    assert (await rig.http.get("/sns/oauth2/access_token")).json() == {"errcode": -1, "errmsg": "system busy"}
    assert (await rig.http.get("/sns/userinfo")).status_code == 500
    with pytest.raises(httpx.RemoteProtocolError):
        await rig.http.get("/sns/auth")


class TestTheList:
    async def test_a_fault_is_used_up_as_often_as_asked(self, rig: Rig) -> None:
        await rig.fault("orderquery", "error", code="SYSTEMERROR", times=2)
        codes = [(await rig.query()).get("err_code") for _ in range(3)]

        assert codes == ["SYSTEMERROR", "SYSTEMERROR", "ORDERNOTEXIST"]

    async def test_zero_times_lasts_until_it_is_deleted(self, rig: Rig) -> None:
        await rig.fault("orderquery", "error", code="SYSTEMERROR", times=0)
        assert [(await rig.query())["err_code"] for _ in range(3)] == ["SYSTEMERROR"] * 3

        assert (await rig.http.delete("/_sim/faults")).json() == {"faults": []}
        assert (await rig.query())["err_code"] == "ORDERNOTEXIST"

    async def test_is_answered_with_what_is_left(self, rig: Rig) -> None:
        await rig.fault("orderquery", "slow", delay_s=0, times=3)
        await rig.fault("notify", "drop")
        await rig.query()

        slow = {"target": "orderquery", "kind": "slow", "times": 2, "delay_s": 0}
        drop = {"target": "notify", "kind": "drop", "times": 1}
        assert (await rig.http.get("/_sim/faults")).json() == {"faults": [slow, drop]}
        assert (await rig.http.delete("/_sim/faults?target=notify")).json() == {"faults": [slow]}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "target"),
            ({"target": "transfer", "kind": "drop"}, "target"),
            ({"target": "refund", "kind": "drop"}, "kind"),
            ({"target": "refund", "kind": "outcome"}, "state"),
            ({"target": "refund", "kind": "outcome", "state": "PROCESSING"}, "state"),
            ({"target": "refund_notify", "kind": "openid"}, "kind"),
            ({"target": "billdownload", "kind": "bad_sign"}, "kind"),
            ({"target": "notify", "kind": "drop", "percent": 101}, "percent"),
            ({"target": "downloadbill", "kind": "amount", "total_fee": "1"}, "total_fee"),
            ({"target": "notify"}, "kind"),
            ({"target": "notify", "kind": "fail_before"}, "kind"),
            ({"target": "oauth", "kind": "bad_sign"}, "kind"),
            ({"target": ["notify"], "kind": "drop"}, "target"),
            ({"target": "notify", "kind": "delay"}, "delay_s"),
            ({"target": "notify", "kind": "delay", "delay_s": "5"}, "delay_s"),
            ({"target": "notify", "kind": "delay", "delay_s": -1}, "delay_s"),
            ({"target": "notify", "kind": "duplicate", "n": 1}, "n"),
            ({"target": "notify", "kind": "drop", "times": True}, "times"),
            ({"target": "notify", "kind": "drop", "times": -1}, "times"),
            ({"target": "notify", "kind": "drop", "tiems": 1}, "tiems"),
            ({"target": "oauth", "kind": "error", "code": "SYSTEMERROR"}, "code"),
            ({"target": "orderquery", "kind": "status", "status": 99}, "status"),
        ],
    )
    async def test_what_is_wrong_is_refused_by_name(self, rig: Rig, body: dict[str, object], field: str) -> None:
        response = await rig.http.post("/_sim/faults", json=body)

        assert response.status_code == 400
        assert response.json()["error"]["code"] == "bad_fault"
        assert response.json()["error"]["message"].startswith(f"{field}:")
