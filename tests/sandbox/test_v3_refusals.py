"""What API v3 refuses: requests it cannot trust, fields of a wrong form, and what the ledger does not allow."""

import time
from typing import Any

import pytest

from tests.sandbox.rig import Rig
from tests.sandbox.v3_rig import ORDER, Json, V3Merchant, is_rightly_signed, public_key_of

JSAPI = "/v3/pay/transactions/jsapi"
QUERY = f"/v3/pay/transactions/out-trade-no/{ORDER}"


@pytest.fixture
async def merchant(rig: Rig) -> V3Merchant:
    return V3Merchant(rig)


async def a_good_order(rig: Rig, merchant: V3Merchant, **changes: object) -> Json:
    return merchant.order_body(**{"payer": {"openid": await rig.openid()}, **changes})


async def test_every_answer_is_signed_by_the_key_the_request_names(rig: Rig, merchant: V3Merchant) -> None:
    key_id = rig.merchant["platform"]["public_key_id"]
    (serial,) = rig.merchant["platform"]["certificate_serials"]
    answers = [
        await merchant.send("POST", JSAPI, await a_good_order(rig, merchant), {"Wechatpay-Serial": key_id}),
        await merchant.send("GET", f"{QUERY}?mchid=1", headers={"Wechatpay-Serial": key_id}),
        await merchant.send("GET", QUERY, headers={"Wechatpay-Serial": serial}),
    ]

    assert [answer.status_code for answer in answers] == [200, 400, 400]
    assert [answer.headers["Wechatpay-Serial"] for answer in answers] == [key_id, key_id, serial]
    public_key = public_key_of(rig)
    assert [is_rightly_signed(public_key, answer.headers, answer.content) for answer in answers] == [True, True, False]


class TestARequestThatCannotBeTrusted:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"mchid": "1234567890"}, "商户号不存在"),
            ({"serial_no": "0" * 40}, "商户证书序列号有误"),
            ({"timestamp": "yesterday"}, "timestamp"),
            ({"timestamp": "1554208460"}, "timestamp"),
        ],
    )
    async def test_is_refused_for_what_is_wrong(
        self, rig: Rig, merchant: V3Merchant, changes: dict[str, str], message: str
    ) -> None:
        authorization = merchant.authorization("GET", QUERY, b"", **changes)
        answer = await rig.http.get(QUERY, headers={"Authorization": authorization})

        assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
        assert message in answer.json()["message"]
        assert answer.headers["Request-ID"].endswith("-268443699")

    async def test_is_refused_when_anything_signed_was_changed(self, rig: Rig, merchant: V3Merchant) -> None:
        body = await a_good_order(rig, merchant)
        headers = {"Authorization": merchant.authorization("POST", JSAPI, b"{}"), "Content-Type": "application/json"}
        answers = [
            await rig.http.post(JSAPI, json=body, headers=headers),
            await rig.http.get(QUERY, headers={"Authorization": merchant.authorization("GET", f"{QUERY}?a=1", b"")}),
            await rig.http.get(QUERY, headers={"Authorization": "Bearer abc"}),
            await rig.http.get(QUERY),
        ]

        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "SIGN_ERROR")] * 4
        assert (await rig.ledger())["orders"] == []

    async def test_lacks_a_header(self, rig: Rig, merchant: V3Merchant) -> None:
        body = await a_good_order(rig, merchant)
        for headers in ({"Accept": "text/html"}, {"User-Agent": ""}, {"Content-Type": "text/plain"}):
            answer = await merchant.send("POST", JSAPI, body, headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"description": None}, "body"),
        ({"description": "付" * 128}, "description"),
        ({"out_trade_no": "short"}, "out_trade_no"),
        ({"out_trade_no": "ORDER 00001"}, "out_trade_no"),
        ({"amount": {"total": 0}}, "amount.total"),
        ({"amount": {"total": "1000"}}, "amount.total"),
        ({"amount": {"total": 10.5}}, "amount.total"),
        ({"amount": {"total": 1000, "currency": "USD"}}, "amount.currency"),
        ({"notify_url": "http://pay.example.com/notify"}, "notify_url"),
        ({"notify_url": "https://pay.example.com/notify?order=1"}, "notify_url"),
        ({"time_expire": "20261121165000"}, "time_expire"),
        ({"time_expire": "2026-11-21T16:50:00"}, "time_expire"),
        ({"scene_info": {"payer_client_ip": "localhost"}}, "scene_info.payer_client_ip"),
        ({"mchid": "1234567890"}, "mchid"),
    ],
)
async def test_a_field_of_a_wrong_form_is_named(
    rig: Rig, merchant: V3Merchant, changes: dict[str, Any], field: str
) -> None:
    answer = await merchant.send("POST", JSAPI, await a_good_order(rig, merchant, **changes))

    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
    assert answer.json()["detail"]["field"] == field
    assert (await rig.ledger())["orders"] == []


@pytest.mark.parametrize(
    ("path", "changes", "status", "code"),
    [
        ("jsapi", {"payer": None}, 400, "PARAM_ERROR"),
        ("jsapi", {"payer": {"openid": "oNobodyKnowsThisOne"}}, 500, "OPENID_MISMATCH"),
        ("jsapi", {"appid": "wx1111111111111111"}, 400, "APPID_MCHID_NOT_MATCH"),
        ("app", {}, 400, "APPID_MCHID_NOT_MATCH"),
        ("h5", {}, 400, "PARAM_ERROR"),
        ("h5", {"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Mac"}}}, 400, "PARAM_ERROR"),
    ],
)
async def test_an_order_has_to_fit_its_scene(
    rig: Rig, merchant: V3Merchant, path: str, changes: dict[str, Any], status: int, code: str
) -> None:
    body = await a_good_order(rig, merchant, **changes)
    answer = await merchant.send("POST", f"/v3/pay/transactions/{path}", body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(merchant: V3Merchant, body: bytes) -> None:
    answer = await merchant.send("POST", JSAPI, body, {"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")


async def test_the_same_order_again_is_the_same_and_another_under_its_number_is_refused(
    rig: Rig, merchant: V3Merchant
) -> None:
    good = await a_good_order(rig, merchant)
    first, again = [(await merchant.send("POST", JSAPI, good)).json() for _ in range(2)]
    assert first == again
    for changes in ({"amount": {"total": 1001}}, {"attach": "x"}, {"payer": {"openid": await rig.openid("老王")}}):
        answer = await merchant.send("POST", JSAPI, {**good, **changes})
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
        assert answer.headers["Request-ID"].endswith("-268498688")


async def test_time_expire_is_a_minute_ahead_at_least_and_stops_paying(rig: Rig, merchant: V3Merchant) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    good = await a_good_order(rig, merchant, time_expire=now)
    await merchant.send("POST", JSAPI, good)
    await rig.advance(55)
    assert (await rig.pay(out_trade_no=ORDER, outcome="cancel")).status_code == 200
    await rig.advance(10)

    assert (await rig.pay()).json()["error"]["code"] == "order_expired"
    assert (await merchant.send("POST", JSAPI, good)).json()["code"] == "ORDER_CLOSED"
    assert (await merchant.query())["trade_state"] == "NOTPAY"


async def test_another_method_or_path_is_answered_in_v3s_shape(merchant: V3Merchant) -> None:
    answer = await merchant.send("GET", JSAPI)

    assert (answer.status_code, answer.json()) == (405, {"code": "INVALID_REQUEST", "message": "Method Not Allowed"})
