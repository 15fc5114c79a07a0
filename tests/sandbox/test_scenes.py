"""NATIVE, H5, APP and mini-program: who may pay, how long the link lasts, and what each client hands over."""

import re
from typing import Any, Final

import httpx
import pytest
from wechatpy.pay import WeChatPay

from sandbox import signing
from tests.sandbox.rig import Fields, Rig
from tests.sandbox.v3_rig import ORDER, V3Merchant, signature_of

PAY_PAGE: Final = "http://127.0.0.1:8000/pay/1"
WAP: Final = '{"h5_info":{"type":"Wap","wap_url":"https://pay.example.com","wap_name":"daifu"}}'
NATIVE: Final = {"trade_type": "NATIVE", "openid": "", "product_id": "1"}
MWEB: Final = {"trade_type": "MWEB", "openid": "", "scene_info": WAP, "spbill_create_ip": "127.0.0.1"}


async def native(rig: Rig) -> str:
    answer: Fields = await rig.order(**NATIVE)
    return answer["code_url"]


async def h5(rig: Rig) -> str:
    answer: Fields = await rig.order(**MWEB)
    return answer["mweb_url"]


async def open_link(rig: Rig, url: str, *, redirect_url: str = PAY_PAGE, **headers: str) -> httpx.Response:
    """Open the link as a phone's browser does from the merchant's page."""
    page = rig.http.build_request("GET", url, headers={"Referer": PAY_PAGE, **headers})
    page.url = page.url.copy_merge_params({"redirect_url": redirect_url} if redirect_url else {})
    return await rig.http.send(page)


async def press(rig: Rig, page: httpx.Response, persona: str, outcome: str = "ok", **headers: str) -> httpx.Response:
    """Press a button of the page as this person."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    form = {**hidden, "openid": await rig.openid(persona), "outcome": outcome}
    return await rig.http.post("/_sim/payer", data=form, headers=headers)


class TestNative:
    async def test_whoever_scans_pays_on_the_page(self, rig: Rig) -> None:
        page = await rig.http.get("/_sim/scan", params={"code_url": await native(rig)})
        done = await press(rig, page, "老王")
        (line,) = (await rig.ledger())["orders"]

        assert "10.00" in page.text
        assert (done.status_code, "支付成功" in done.text) == (200, True)
        assert (line["trade_state"], line["openid"]) == ("SUCCESS", await rig.openid("老王"))

    async def test_the_first_who_opens_it_is_the_only_one_who_can_pay(self, rig: Rig) -> None:
        code_url = await native(rig)
        await rig.pay(code_url=code_url, openid=await rig.openid("老王"), outcome="cancel")
        page = await rig.http.get("/_sim/scan", params={"code_url": code_url})
        other = await press(rig, page, "小红")

        assert (other.status_code, "商家订单信息有误" in other.text) == (409, True)
        assert (await press(rig, page, "老王")).status_code == 200

    async def test_the_code_dies_after_two_hours_or_when_it_is_ordered_again(self, rig: Rig) -> None:
        first, second = await native(rig), await native(rig)
        gone = await rig.http.get("/_sim/scan", params={"code_url": first})
        await rig.advance(2 * 3600)
        late = await rig.pay(code_url=second)

        assert first != second
        assert gone.status_code == 404
        assert late.json()["error"] == {"code": "prepay_expired", "message": "二维码已失效"}

    async def test_the_scan_page_asks_for_a_code(self, rig: Rig) -> None:
        assert 'name="code_url"' in (await rig.http.get("/_sim/scan")).text


class TestH5:
    async def test_the_page_leads_back_whether_or_not_he_paid(self, rig: Rig) -> None:
        url = await h5(rig)
        page = await open_link(rig, url)
        cancelled = await press(rig, page, "小明", "cancel")
        paid = await press(rig, page, "小明")

        assert [(answer.status_code, answer.headers["Location"]) for answer in (cancelled, paid)] == [
            (303, PAY_PAGE)
        ] * 2
        assert (await rig.query())["trade_state"] == "SUCCESS"
        assert "该订单已支付" in (await open_link(rig, url)).text

    async def test_without_redirect_url_he_stays(self, rig: Rig) -> None:
        page = await open_link(rig, await h5(rig), redirect_url="")

        assert "支付成功" in (await press(rig, page, "小明")).text

    @pytest.mark.parametrize(
        ("headers", "redirect_url", "message"),
        [
            ({"Referer": ""}, PAY_PAGE, "商家参数格式有误"),
            ({"Referer": "https://evil.example/"}, PAY_PAGE, "商家存在未配置的参数"),
            ({}, "https://evil.example/", "商家存在未配置的参数"),
            ({}, "javascript:alert(1)", "商家存在未配置的参数"),
            ({"User-Agent": "Mozilla/5.0 MicroMessenger/8.0"}, PAY_PAGE, "请在微信外打开订单"),
        ],
    )
    async def test_the_page_is_as_particular_as_wechats(
        self, rig: Rig, headers: dict[str, str], redirect_url: str, message: str
    ) -> None:
        page = await open_link(rig, await h5(rig), redirect_url=redirect_url, **headers)

        assert (page.status_code, message in page.text) == (400, True)

    async def test_the_link_dies_after_five_minutes_and_is_renewed_by_the_same_order(self, rig: Rig) -> None:
        url = await h5(rig)
        assert await h5(rig) == url
        await rig.advance(300)
        late = await open_link(rig, url)
        fresh = await open_link(rig, await h5(rig))

        assert (late.status_code, fresh.status_code) == (400, 200)

    async def test_it_opens_only_where_it_was_ordered_from(self, rig: Rig) -> None:
        answer = await rig.order(**{**MWEB, "spbill_create_ip": "203.0.113.7"})

        assert "网络环境未能通过安全验证" in (await open_link(rig, answer["mweb_url"])).text

    async def test_another_site_presses_no_button(self, rig: Rig) -> None:
        page = await open_link(rig, await h5(rig))

        assert (await press(rig, page, "小明", **{"Sec-Fetch-Site": "cross-site"})).status_code == 400
        assert (await rig.query())["trade_state"] == "NOTPAY"


class TestApp:
    def params(self, rig: Rig, prepay_id: str) -> Fields:
        return {
            "appid": rig.merchant["open_appid"],
            "partnerid": rig.merchant["mch_id"],
            "prepayid": prepay_id,
            "package": "Sign=WXPay",
            "noncestr": signing.nonce(),
            "timestamp": "1795249454",
        }

    async def sheet(self, rig: Rig, params: dict[str, Any], outcome: str = "ok") -> Any:
        return (await rig.http.post("/_sim/app", json={"params": params, "outcome": outcome})).json()

    async def test_of_a_v2_order_takes_what_an_independent_client_signs(self, rig: Rig) -> None:
        peer = WeChatPay(rig.merchant["open_appid"], rig.merchant["api_key"], rig.merchant["mch_id"])
        order = {"trade_type": "APP", "openid": "", "sign_type": "MD5", "appid": peer.appid}
        params = peer.order.get_appapi_params((await rig.order(**order))["prepay_id"])
        peer._http.close()
        tampered = await self.sheet(rig, {**params, "timestamp": "1795249455"})
        cancelled = await self.sheet(rig, params, "cancel")
        paid = await self.sheet(rig, params)

        assert (tampered["errCode"], cancelled["errCode"], paid["errCode"]) == (-1, -2, 0)
        assert (await rig.query())["trade_state"] == "SUCCESS"

    async def test_of_a_v3_order_signs_the_bare_prepay_id(self, rig: Rig) -> None:
        merchant = V3Merchant(rig)
        body = merchant.order_body(appid=rig.merchant["open_appid"])
        prepay_id = (await merchant.send("POST", "/v3/pay/transactions/app", body)).json()["prepay_id"]
        params = self.params(rig, prepay_id)
        head = f"{params['appid']}\n{params['timestamp']}\n{params['noncestr']}\n"
        wrong = await self.sheet(rig, {**params, "sign": signature_of(rig, f"{head}prepay_id={prepay_id}\n".encode())})
        right = await self.sheet(rig, {**params, "sign": signature_of(rig, f"{head}{prepay_id}\n".encode())})

        assert (wrong["errCode"], right["errCode"]) == (-1, 0)


class TestMiniprogram:
    async def test_is_paid_by_the_openid_of_its_own_appid(self, rig: Rig) -> None:
        """The official account's openid means nobody there."""
        appid = rig.merchant["miniprogram_appid"]
        refused = await rig.order(appid=appid)
        prepay_id = (await rig.order(appid=appid, openid=await rig.openid_under(appid)))["prepay_id"]
        call = {**rig.pay_call(prepay_id), "appId": appid}
        params = {name: call[name] for name in ("timeStamp", "nonceStr", "package", "signType")}
        params["paySign"] = signing.pay_sign(call, rig.merchant["api_key"])
        tampered = await rig.http.post("/_sim/miniprogram", json={"params": {**params, "nonceStr": "x"}})
        paid = await rig.http.post("/_sim/miniprogram", json={"params": params})

        assert refused["return_msg"] == "appid and openid not match"
        assert tampered.json() == {"errMsg": "requestPayment:fail 支付验证签名失败"}
        assert paid.json() == {"errMsg": "requestPayment:ok"}
        assert (await rig.query())["openid"] != await rig.openid()


async def test_the_sheet_of_a_v3_order_wants_an_rsa_signature(rig: Rig) -> None:
    merchant = V3Merchant(rig)
    body = merchant.order_body(payer={"openid": await rig.openid()})
    prepay_id = (await merchant.send("POST", "/v3/pay/transactions/jsapi", body)).json()["prepay_id"]
    v2_call = rig.pay_call(prepay_id)
    call = {**v2_call, "signType": "RSA"}
    lines = "".join(f"{call[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package"))
    call["paySign"] = signature_of(rig, lines.encode())
    refused, paid = [
        (await rig.http.post("/_sim/cashier", json={"params": params, "outcome": "ok"})).json()
        for params in (v2_call, call)
    ]

    assert refused["err_desc"] == "支付验证签名失败"
    assert paid == {"err_msg": "get_brand_wcpay_request:ok"}


async def test_a_payer_nobody_knows_is_refused(rig: Rig) -> None:
    await native(rig)
    response = await rig.pay(out_trade_no=ORDER, openid="oNobodyKnowsThisOne")

    assert (response.status_code, response.json()["error"]["code"]) == (409, "payer_unknown")
