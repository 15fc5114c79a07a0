"""API v3 with an independent client as the merchant: from prepay to the notify it verifies and opens."""

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
