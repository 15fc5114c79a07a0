"""The pay sheet: what WeChat's client checks before it opens, and what the page is told."""

import json

import httpx
import pytest

from sandbox import signing
from tests.sandbox.rig import Rig

ORIGIN = "http://127.0.0.1:8000"


async def open_sheet(rig: Rig, call: object, origin: str = ORIGIN) -> httpx.Response:
    return await rig.http.get("/_sim/cashier", params={"origin": origin, "params": json.dumps(call)})


async def press(rig: Rig, call: object, outcome: object = "ok") -> httpx.Response:
    return await rig.http.post("/_sim/cashier", json={"params": call, "outcome": outcome})


async def test_the_sheet_shows_whom_for_what_and_how_much(rig: Rig) -> None:
    prepay_id = await rig.ordered(body="奶茶 <大杯>", total_fee="1205")
    sheet = await open_sheet(rig, rig.pay_call(prepay_id))

    for shown in (
        "代付测试商户",
        "奶茶 &lt;大杯&gt;",
        "12.05",
        "小红",
        'id="sim-pay"',
        'id="sim-cancel"',
        'id="sim-fail"',
    ):
        assert shown in sheet.text


async def test_only_the_asking_origin_may_frame_the_sheet(rig: Rig) -> None:
    policy = (await open_sheet(rig, rig.pay_call(await rig.ordered()))).headers["Content-Security-Policy"]

    assert f"frame-ancestors {ORIGIN}" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "origin", ["", "null", "*", "javascript:1", "http://a b", "http://a;script-src *", "http://a/x"]
)
async def test_an_origin_that_is_none_gets_no_sheet(rig: Rig, origin: str) -> None:
    assert (await open_sheet(rig, rig.pay_call(await rig.ordered()), origin)).status_code == 400


@pytest.mark.parametrize("outcome", ["ok", "cancel", "fail"])
async def test_the_button_decides_what_the_page_is_told(rig: Rig, outcome: str) -> None:
    call = rig.pay_call(await rig.ordered())

    assert (await press(rig, call, outcome)).json() == {"err_msg": f"get_brand_wcpay_request:{outcome}"}
    assert (await rig.query())["trade_state"] == ("SUCCESS" if outcome == "ok" else "NOTPAY")


async def test_an_md5_order_is_paid_with_md5(rig: Rig) -> None:
    call = {
        "appId": rig.merchant["appid"],
        "timeStamp": "1795249454",
        "nonceStr": "n",
        "package": f"prepay_id={await rig.ordered(sign_type='')}",
        "signType": "MD5",
    }
    call["paySign"] = signing.pay_sign(call, rig.merchant["api_key"])

    assert (await press(rig, call)).json()["err_msg"] == "get_brand_wcpay_request:ok"


@pytest.mark.parametrize(
    ("changes", "err_desc"),
    [
        ({"timeStamp": 1795249454}, "调用支付JSAPI缺少参数：timeStamp"),
        ({"package": ""}, "调用支付JSAPI缺少参数：package"),
        ({"paySign": None}, "调用支付JSAPI缺少参数：paySign"),
        ({"package": "prepay_id=wx0"}, "调用支付JSAPI缺少参数：total_fee"),
        ({"appId": "wx1111111111111111"}, "调用支付JSAPI缺少参数：total_fee"),
        ({"paySign": "0" * 64}, "支付验证签名失败"),
        ({"signType": "MD5"}, "支付验证签名失败"),
        ({"nonceStr": "another"}, "支付验证签名失败"),
    ],
)
async def test_a_call_wechats_client_would_refuse_fails_with_its_words(
    rig: Rig, changes: dict[str, object], err_desc: str
) -> None:
    call = rig.pay_call(await rig.ordered(), **changes)

    assert (await press(rig, call)).json() == {"err_msg": "get_brand_wcpay_request:fail", "err_desc": err_desc}
    assert err_desc in (await open_sheet(rig, call)).text
    assert (await rig.query())["trade_state"] == "NOTPAY"


async def test_a_package_without_its_prefix_is_refused(rig: Rig) -> None:
    prepay_id = await rig.ordered()

    answer = (await press(rig, rig.pay_call(prepay_id, package=prepay_id))).json()

    assert answer["err_desc"] == "调用支付JSAPI缺少参数：total_fee"


async def test_a_paid_order_and_an_old_prepay_id_are_refused(rig: Rig) -> None:
    call = rig.pay_call(await rig.ordered())
    await press(rig, call)
    old = rig.pay_call(await rig.ordered("ORDER000002"))
    await rig.advance(2 * 3600)

    assert (await press(rig, call)).json()["err_desc"] == "该订单已支付"
    assert (await press(rig, old)).json()["err_desc"] == "调用支付JSAPI缺少参数：total_fee"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"outcome":"ok"}', b'{"outcome":"perhaps","params":{}}'])
async def test_a_press_that_is_none_is_refused(rig: Rig, body: bytes) -> None:
    assert (await rig.http.post("/_sim/cashier", content=body)).status_code == 400


async def test_the_bridge_is_there_for_pages_of_another_origin(rig: Rig) -> None:
    script = await rig.http.get("/_sim/bridge.js")

    assert "WeixinJSBridgeReady" in script.text
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    for asset in ("cashier.js", "sandbox.css"):
        assert (await rig.http.get(f"/_sim/static/{asset}")).status_code == 200
    assert (await rig.http.get("/_sim/static/../app.py")).status_code == 404
