"""Unified order, query and close, as strict as WeChat's own."""

import asyncio
import time

import httpx
import pytest
import xmltodict
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay

from sandbox import flat_xml
from sandbox.clock import beijing_time
from tests.sandbox.rig import Fields, Rig


def beijing_in(seconds: float) -> str:
    return beijing_time(time.time() * 1000 + seconds * 1000)


@pytest.mark.parametrize("sign_type", ["", "MD5", "HMAC-SHA256"])
async def test_an_order_is_answered_with_a_prepay_id_signed_as_it_was_asked(rig: Rig, sign_type: str) -> None:
    answer = await rig.order(sign_type=sign_type)

    assert answer["result_code"] == "SUCCESS"
    assert answer["prepay_id"].startswith("wx")
    assert answer["trade_type"] == "JSAPI"
    assert len(answer["sign"]) == (64 if sign_type == "HMAC-SHA256" else 32)


async def test_an_independent_client_orders_queries_and_closes(rig: Rig) -> None:
    peer = WeChatPay(rig.merchant["appid"], rig.merchant["api_key"], rig.merchant["mch_id"])
    peer.API_BASE_URL = f"{rig.http.base_url}/"
    openid = await rig.openid()

    def order() -> Fields:
        answer: Fields = peer.order.create(
            "JSAPI",
            "帮我付",
            1,
            rig.shop.notify_url,
            client_ip="203.0.113.7",
            user_id=openid,
            out_trade_no="PEER000001",
        )
        return answer

    try:
        assert (await asyncio.to_thread(order))["prepay_id"]
        state = await asyncio.to_thread(peer.order.query, out_trade_no="PEER000001")
        assert state["trade_state"] == "NOTPAY"
        await rig.advance(300)
        await asyncio.to_thread(peer.order.close, "PEER000001")
        state = await asyncio.to_thread(peer.order.query, out_trade_no="PEER000001")
        assert state["trade_state"] == "CLOSED"
        with pytest.raises(WeChatPayException) as refused:
            await asyncio.to_thread(peer.order.close, "PEER000001")
        assert refused.value.errcode == "ORDERCLOSED"
    finally:
        peer._http.close()


@pytest.mark.parametrize(
    ("changes", "return_msg"),
    [
        ({"appid": ""}, "缺少参数appid"),
        ({"nonce_str": ""}, "缺少参数nonce_str"),
        ({"body": ""}, "缺少参数body"),
        ({"out_trade_no": ""}, "缺少参数out_trade_no"),
        ({"total_fee": ""}, "缺少参数total_fee"),
        ({"spbill_create_ip": ""}, "缺少参数spbill_create_ip"),
        ({"notify_url": ""}, "缺少参数notify_url"),
        ({"trade_type": ""}, "缺少参数trade_type"),
        ({"openid": ""}, "缺少参数openid"),
        ({"trade_type": "NATIVE"}, "缺少参数product_id"),
        ({"trade_type": "MWEB"}, "缺少参数scene_info"),
        ({"mch_id": "1234567890"}, "MCHID_NOT_EXIST"),
        ({"mch_id": "shop"}, "mch_id参数格式错误"),
        ({"sign_type": "SHA1"}, "sign_type参数格式错误"),
        ({"body": "付" * 128}, "body参数长度有误"),
        ({"attach": "a" * 128}, "attach参数长度有误"),
        ({"out_trade_no": "short"}, "invalid out_trade_no"),
        ({"out_trade_no": "ORDER 00001"}, "invalid out_trade_no"),
        ({"out_trade_no": "订单000001"}, "invalid out_trade_no"),
        ({"total_fee": "0"}, "invalid total_fee"),
        ({"total_fee": "-1"}, "invalid total_fee"),
        ({"total_fee": "1.00"}, "invalid total_fee"),
        ({"total_fee": "１"}, "invalid total_fee"),
        ({"spbill_create_ip": "localhost"}, "invalid spbill_create_ip"),
        ({"fee_type": "USD"}, "invalid fee_type"),
        ({"trade_type": "SCAN"}, "invalid trade_type"),
        ({"time_start": "2026-11-21"}, "invalid time_start"),
        ({"time_expire": "20261399000000"}, "invalid time_expire"),
        ({"notify_url": "/wechat/notify"}, "invalid notify_url"),
        ({"notify_url": "http://pay.example.com/notify"}, "invalid notify_url"),
        ({"notify_url": "https://pay.example.com:8443/notify"}, "invalid notify_url"),
        ({"notify_url": "https://pay.example.com/notify?order=1"}, "invalid notify_url"),
        ({"openid": "oNobodyKnowsThisOne"}, "appid and openid not match"),
    ],
)
async def test_an_order_wechat_would_not_trust_fails_unsigned(
    rig: Rig, changes: dict[str, str], return_msg: str
) -> None:
    answer = await rig.order(**changes)

    assert answer == {"return_code": "FAIL", "return_msg": return_msg}


@pytest.mark.parametrize("notify_url", ["https://pay.example.com/notify", "http://localhost/n", "http://[::1]:8000/n"])
async def test_a_notify_url_of_https_or_of_this_machine_is_taken(rig: Rig, notify_url: str) -> None:
    await rig.ordered(notify_url=notify_url)


@pytest.mark.parametrize("changes", [{"appid": "wx1111111111111111"}, {"trade_type": "APP", "openid": ""}])
async def test_a_business_refusal_is_signed(rig: Rig, changes: dict[str, str]) -> None:
    """An app's order has to name the open platform's appid."""
    answer = await rig.order(**changes)

    assert (answer["return_code"], answer["result_code"]) == ("SUCCESS", "FAIL")
    assert answer["err_code"] == "APPID_MCHID_NOT_MATCH"
    assert answer["sign"]


async def test_a_wrong_signature_is_answered_unsigned(rig: Rig) -> None:
    fields = rig.signed(await rig.order_fields())
    response = await rig.http.post("/pay/unifiedorder", content=flat_xml.write({**fields, "total_fee": "1"}))

    assert xmltodict.parse(response.content)["xml"] == {"return_code": "FAIL", "return_msg": "签名错误"}


@pytest.mark.parametrize(
    ("body", "return_msg"),
    [
        (b"", "POST_DATA_EMPTY"),
        (b"{}", "XML_FORMAT_ERROR"),
        (b"<!DOCTYPE xml><xml></xml>", "XML_FORMAT_ERROR"),
        (b"<xml><body>\xff</body></xml>", "NOT_UTF8"),
    ],
)
async def test_a_body_that_is_not_wechats_xml_fails(rig: Rig, body: bytes, return_msg: str) -> None:
    response = await rig.http.post("/pay/unifiedorder", content=body)

    assert xmltodict.parse(response.content)["xml"] == {"return_code": "FAIL", "return_msg": return_msg}


async def test_get_is_answered_with_the_wish_for_post(rig: Rig) -> None:
    response = await rig.http.get("/pay/unifiedorder")

    assert xmltodict.parse(response.content)["xml"]["return_msg"] == "REQUIRE_POST_METHOD"


class TestTheSameNumberAgain:
    async def test_identical_parameters_get_the_same_valid_prepay_id(self, rig: Rig) -> None:
        assert await rig.ordered() == await rig.ordered()

    async def test_identical_parameters_get_a_fresh_prepay_id_after_two_hours(self, rig: Rig) -> None:
        first = await rig.ordered()
        await rig.advance(2 * 3600)

        assert await rig.ordered() != first

    @pytest.mark.parametrize(
        "changes",
        [
            {"total_fee": "999"},
            {"body": "another"},
            {"spbill_create_ip": "203.0.113.8"},
            {"attach": "x"},
            {"sign_type": "MD5"},
        ],
    )
    async def test_another_parameter_is_a_repeated_number(self, rig: Rig, changes: dict[str, str]) -> None:
        await rig.ordered()
        answer = await rig.order(**changes)

        assert (answer["err_code"], answer["err_code_des"]) == ("INVALID_REQUEST", "201 商户订单号重复")

    async def test_another_payer_is_a_repeated_number(self, rig: Rig) -> None:
        await rig.ordered()
        answer = await rig.order(openid=await rig.openid("老王"))

        assert (answer["err_code"], answer["err_code_des"]) == ("INVALID_REQUEST", "201 商户订单号重复")

    async def test_a_paid_order_says_so(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.paid()

        assert (await rig.order())["err_code"] == "ORDERPAID"

    async def test_a_closed_order_says_so(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.advance(300)
        await rig.close()

        assert (await rig.order())["err_code"] == "ORDERCLOSED"

    async def test_an_order_past_its_time_expire_needs_a_new_number(self, rig: Rig) -> None:
        time_expire = beijing_in(400)
        await rig.ordered(time_expire=time_expire)
        await rig.advance(401)

        assert (await rig.order(time_expire=time_expire))["err_code"] == "ORDERCLOSED"


class TestTimeExpire:
    async def test_must_lie_more_than_a_minute_ahead(self, rig: Rig) -> None:
        assert (await rig.order(time_expire=beijing_in(50)))["return_code"] == "FAIL"
        assert (await rig.order(time_expire=beijing_in(70)))["result_code"] == "SUCCESS"

    async def test_must_lie_after_time_start(self, rig: Rig) -> None:
        answer = await rig.order(time_start=beijing_in(900), time_expire=beijing_in(800))

        assert answer == {"return_code": "FAIL", "return_msg": "invalid time_expire"}

    async def test_stops_paying_and_closes_nothing(self, rig: Rig) -> None:
        await rig.ordered(time_expire=beijing_in(400))
        await rig.advance(401)

        assert (await rig.pay()).json()["error"]["message"] == "订单已过期"
        assert (await rig.query())["trade_state"] == "NOTPAY"

    async def test_does_not_stop_a_payer_who_is_in_the_sheet(self, rig: Rig) -> None:
        await rig.ordered(time_expire=beijing_in(400))
        await rig.advance(401)
        answer = await rig.pay(out_trade_no="ORDER000001", in_sheet=True)

        assert answer.json()["trade_state"] == "SUCCESS"

    async def test_nor_does_a_close_stop_money_the_bank_had_taken_before_it(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.advance(301)
        await rig.close()
        assert (await rig.pay(out_trade_no="ORDER000001", in_sheet=True)).status_code == 409

        assert (await rig.pay(out_trade_no="ORDER000001", late=True)).json()["trade_state"] == "SUCCESS"
        assert (await rig.query())["trade_state"] == "SUCCESS"


class TestQuery:
    async def test_of_a_paid_order_tells_payer_amount_and_time(self, rig: Rig) -> None:
        await rig.ordered()
        transaction_id = await rig.paid()
        answer = await rig.query()

        assert answer["trade_state"] == "SUCCESS"
        assert answer["openid"] == await rig.openid()
        assert (answer["total_fee"], answer["cash_fee"], answer["fee_type"]) == ("1000", "1000", "CNY")
        assert answer["attach"] == "o=42&k=a+b"
        assert answer["transaction_id"] == transaction_id
        assert len(transaction_id) == 28
        assert abs(int(answer["time_end"]) - int(beijing_in(0))) < 100

    async def test_by_transaction_id_wins_over_the_number(self, rig: Rig) -> None:
        await rig.ordered()
        transaction_id = await rig.paid()
        answer = await rig.call("/pay/orderquery", rig.about("ORDER000002", transaction_id=transaction_id))

        assert answer["out_trade_no"] == "ORDER000001"

    async def test_of_an_unpaid_order_promises_little(self, rig: Rig) -> None:
        await rig.ordered()
        answer = await rig.query()

        assert answer["trade_state"] == "NOTPAY"
        assert "transaction_id" not in answer
        assert "total_fee" not in answer

    async def test_of_an_unknown_number_is_refused(self, rig: Rig) -> None:
        assert (await rig.query("NOSUCHORDER"))["err_code"] == "ORDERNOTEXIST"

    async def test_without_any_number_fails(self, rig: Rig) -> None:
        assert (await rig.query(""))["return_msg"] == "缺少参数out_trade_no"

    async def test_finds_an_unpaid_order_closed_after_seven_days(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.advance(7 * 24 * 3600)

        assert (await rig.query())["trade_state"] == "CLOSED"


class TestClose:
    async def test_sooner_than_five_minutes_is_refused(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.advance(290)

        assert (await rig.close())["err_code"] == "TRADE_STATE_ERROR"
        assert (await rig.query())["trade_state"] == "NOTPAY"

    async def test_after_five_minutes_ends_the_order(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.advance(300)

        assert (await rig.close())["result_code"] == "SUCCESS"
        assert (await rig.query())["trade_state"] == "CLOSED"
        assert (await rig.pay()).status_code == 409

    async def test_of_a_paid_order_says_so(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.paid()

        assert (await rig.close())["err_code"] == "ORDERPAID"

    async def test_of_an_unknown_number_says_so(self, rig: Rig) -> None:
        assert (await rig.close("NOSUCHORDER"))["err_code"] == "ORDERNOTEXIST"


async def test_two_simulators_in_one_process_know_nothing_of_each_other(rig: Rig) -> None:
    from sandbox.app import start

    await rig.ordered()
    other = await start()
    try:
        async with httpx.AsyncClient(base_url=other.url, trust_env=False) as http:
            assert (await http.get("/_sim/ledger")).json() == {"orders": [], "refunds": []}
            assert (await http.get("/_sim/merchant")).json()["appid"] != rig.merchant["appid"]
    finally:
        await other.aclose()
