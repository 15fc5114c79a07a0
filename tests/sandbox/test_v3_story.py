"""API v3 with an independent client as the merchant: from prepay to the notify it verifies and opens."""

import asyncio
import gzip
import hashlib
import json

import pytest
from wechatpayv3 import WeChatPayType

from tests.sandbox.rig import Rig
from tests.sandbox.v3_rig import ORDER, V3Merchant


@pytest.fixture
async def merchant(rig: Rig) -> V3Merchant:
    return V3Merchant(rig)


async def test_a_jsapi_order_is_paid_and_told_to_the_merchant_in_v3s_own_way(rig: Rig, merchant: V3Merchant) -> None:
    status, prepaid = await merchant.order()
    unpaid = await merchant.query()
    transaction_id = await rig.paid()
    await rig.shop.wait_for_letters()
    event = await merchant.heard()
    told = event["resource"]

    assert (status, list(prepaid)) == (200, ["prepay_id"])
    assert (unpaid["trade_state"], unpaid["amount"], "attach" in unpaid) == ("NOTPAY", {"total": 1000}, False)
    assert event["event_type"] == "TRANSACTION.SUCCESS"
    assert told == {
        "appid": rig.merchant["appid"],
        "mchid": rig.merchant["mch_id"],
        "out_trade_no": ORDER,
        "transaction_id": transaction_id,
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "attach": "o=42",
        "success_time": told["success_time"],
        "payer": {"openid": await rig.openid()},
        "amount": {"total": 1000, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"},
    }
    assert told["success_time"].endswith("+08:00")
    assert await merchant.query() == told
    assert await rig.pending_of() == []


async def test_every_scene_gets_what_its_client_needs(rig: Rig, merchant: V3Merchant) -> None:
    h5 = {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}
    _, native = await merchant.order(WeChatPayType.NATIVE, payer=None)
    _, link = await merchant.order(WeChatPayType.H5, payer=None, out_trade_no="ORDER000002", scene_info=h5)
    app = {"payer": None, "out_trade_no": "ORDER000003", "appid": rig.merchant["open_appid"]}
    _, prepaid = await merchant.order(WeChatPayType.APP, **app)

    assert native["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert link["h5_url"].startswith(f"{rig.http.base_url}/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx")
    assert prepaid["prepay_id"].startswith("wx")
    paid = [
        await rig.pay(code_url=native["code_url"]),
        await rig.pay(out_trade_no="ORDER000002"),
        await rig.pay(prepay_id=prepaid["prepay_id"], openid=await rig.openid("老王")),
    ]
    assert [answer.json()["trade_state"] for answer in paid] == ["SUCCESS"] * 3
    ledger = (await rig.ledger())["orders"]
    known = [user["openid"] for user in (await rig.http.get("/_sim/users")).json()]
    assert [line["openid"] in known for line in ledger] == [True, True, False]  # another openid under an app's appid
    assert (await merchant.query())["trade_type"] == "NATIVE"


async def test_a_merchant_with_certificates_fetches_them_and_trusts_what_they_sign(
    rig: Rig, merchant: V3Merchant
) -> None:
    await rig.http.post("/_sim/keys", json={"platform": "certificate"})
    merchant.trust_certificates()
    await merchant.paid()
    ((headers, _),) = await rig.shop.wait_for_letters()

    assert headers["Wechatpay-Serial"] in rig.merchant["platform"]["certificate_serials"]
    assert (await merchant.heard())["resource"]["trade_state"] == "SUCCESS"


async def test_an_order_is_closed_once_and_again(rig: Rig, merchant: V3Merchant) -> None:
    await merchant.order()
    closed = [(await merchant.ask(merchant.peer.close, ORDER))[0] for _ in range(2)]

    assert closed == [204, 204]
    assert (await merchant.query())["trade_state"] == "CLOSED"
    assert (await merchant.order())[1]["code"] == "ORDER_CLOSED"
    assert (await merchant.ask(merchant.peer.close, "NOSUCHORDER"))[1]["code"] == "ORDER_NOT_EXIST"


async def test_a_paid_order_is_neither_closed_nor_ordered_again(rig: Rig, merchant: V3Merchant) -> None:
    await merchant.paid()
    refused = [await merchant.ask(merchant.peer.close, ORDER), await merchant.order()]

    assert [(status, answer["code"], answer["message"]) for status, answer in refused] == [
        (400, "INVALID_REQUEST", "该订单已支付")
    ] * 2
    assert (await merchant.query())["trade_state"] == "SUCCESS"


async def test_a_refund_is_accepted_once_asked_about_and_told(rig: Rig, merchant: V3Merchant) -> None:
    await merchant.paid()
    await rig.shop.wait_for_letters()
    status, accepted = await merchant.refund()
    again = (await merchant.refund())[1]
    await rig.advance(2)
    await rig.shop.wait_for_letters(2)
    event = await merchant.heard()
    told = (await merchant.ask(merchant.peer.query_refund, "REFUND000001"))[1]

    assert (status, accepted["status"], again["refund_id"]) == (200, "PROCESSING", accepted["refund_id"])
    assert (event["event_type"], event["resource"]["refund_status"]) == ("REFUND.SUCCESS", "SUCCESS")
    assert event["resource"]["amount"] == {"total": 1000, "refund": 1000, "payer_total": 1000, "payer_refund": 1000}
    assert (told["status"], told["success_time"]) == ("SUCCESS", event["resource"]["success_time"])
    assert (await merchant.query())["trade_state"] == "REFUND"
    assert [refund["refund_fee"] for refund in (await rig.ledger())["refunds"]] == [1000]


async def test_a_refund_may_end_abnormal(rig: Rig, merchant: V3Merchant) -> None:
    await merchant.paid()
    await rig.shop.wait_for_letters()
    await rig.fault("refund", "outcome", state="CHANGE")
    await merchant.refund()
    await rig.advance(2)
    await rig.shop.wait_for_letters(2)

    assert (await merchant.heard())["event_type"] == "REFUND.ABNORMAL"
    assert (await merchant.ask(merchant.peer.query_refund, "REFUND000001"))[1]["status"] == "ABNORMAL"


async def test_money_that_is_not_there_is_not_refunded(rig: Rig, merchant: V3Merchant) -> None:
    await merchant.order()
    unpaid = await merchant.refund()
    await rig.paid()
    too_much = await merchant.refund(refund=1001)
    other_total = await merchant.refund(total=999)
    await merchant.refund(refund=400)
    other_amount = await merchant.refund(refund=500)
    too_soon = await merchant.refund("REFUND000002", refund=100)

    assert [(status, answer["code"]) for status, answer in (unpaid, too_much, other_total, other_amount, too_soon)] == [
        (404, "RESOURCE_NOT_EXISTS"),
        (400, "INVALID_REQUEST"),
        (400, "INVALID_REQUEST"),
        (400, "INVALID_REQUEST"),
        (429, "FREQUENCY_LIMITED"),
    ]
    assert [refund["refund_fee"] for refund in (await rig.ledger())["refunds"]] == [400]


@pytest.mark.parametrize("tar_type", ["GZIP", ""])
async def test_a_days_bill_is_fetched_from_where_the_answer_says(rig: Rig, merchant: V3Merchant, tar_type: str) -> None:
    await merchant.paid()
    await rig.advance(48 * 3600)
    bill_date = (await merchant.query())["success_time"][:10]
    _, told = await merchant.ask(merchant.peer.trade_bill, bill_date, "ALL", tar_type)
    status, file = await asyncio.to_thread(merchant.peer.download_bill, told["download_url"])
    bill = gzip.decompress(file) if tar_type else file
    await rig.advance(300)
    gone, _ = await asyncio.to_thread(merchant.peer.download_bill, told["download_url"])

    assert (status, gone) == (200, 400)
    assert (told["hash_type"], told["hash_value"]) == ("SHA1", hashlib.sha1(bill).hexdigest())
    assert ORDER in bill.decode("utf-8-sig")
    assert (await merchant.ask(merchant.peer.trade_bill, "2020-01-01"))[1]["code"] == "NO_STATEMENT_EXIST"
    assert (await merchant.ask(merchant.peer.trade_bill, "20200101"))[1]["code"] == "INVALID_REQUEST"


async def test_one_ledger_answers_on_both_apis(rig: Rig, merchant: V3Merchant) -> None:
    await rig.ordered("ORDERBYV2")
    await merchant.paid()
    v2 = await rig.query(ORDER)
    v3 = (await merchant.ask(merchant.peer.query, out_trade_no="ORDERBYV2"))[1]
    clash = (await merchant.order(out_trade_no="ORDERBYV2"))[1]

    assert (v2["trade_state"], v2["total_fee"]) == ("SUCCESS", "1000")
    assert (v3["trade_state"], clash["code"]) == ("NOTPAY", "INVALID_REQUEST")


async def test_a_notify_that_was_not_answered_well_is_repeated_on_schedule(rig: Rig, merchant: V3Merchant) -> None:
    rig.shop.v3_status = 500
    await merchant.paid()
    await rig.pending_of(2)
    rig.shop.v3_status = 200
    await rig.advance(15)
    await rig.pending_of()
    notifies = (await rig.calls())["notifies"]
    (_, first), (_, second) = rig.shop.letters

    assert [notify["answer"] for notify in notifies] == ["HTTP 500", "SUCCESS"]
    assert first != second
    assert json.loads(first)["id"] == json.loads(second)["id"]
