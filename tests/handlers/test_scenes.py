"""Every scene on both APIs, from the press to the live push, with the simulator for WeChat."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from handlers.auth import Session, Sessions
from sandbox.app import Sandbox
from server.domain.events import PayApi
from server.domain.events import Person as Payer
from tests.people import Person
from tests.problems import problem
from tests.running import Daifu, start_daifu

SCENES: Final = ("JSAPI", "MINIPROGRAM", "NATIVE", "MWEB", "APP")


def v3_settings(merchant: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the settings with which daifu speaks API v3 for the simulator's merchant."""
    (folder / "merchant.pem").write_text(merchant["private_key_pem"])
    (folder / "wechat.pem").write_text(merchant["platform"]["public_key_pem"])
    return {
        "wechat_api_v3_keys": merchant["api_v3_key"],
        "wechat_mch_serial": merchant["serial_no"],
        "wechat_mch_private_key_file": str(folder / "merchant.pem"),
        "wechat_public_keys": f"{merchant['platform']['public_key_id']}={folder / 'wechat.pem'}",
    }


@pytest.fixture
async def merchant(wechat_control: httpx.AsyncClient) -> dict[str, Any]:
    known: dict[str, Any] = (await wechat_control.get("/_sim/merchant")).json()
    return known


@pytest.fixture(params=list(PayApi))
async def daifu(
    request: pytest.FixtureRequest, wechat: Sandbox, merchant: dict[str, Any], tmp_path: Path
) -> AsyncIterator[Daifu]:
    """daifu that can do everything, and orders over one of the APIs."""
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        wechat_api=str(request.param),
        wechat_miniprogram_appid=merchant["miniprogram_appid"],
        wechat_open_appid=merchant["open_appid"],
        **v3_settings(merchant, tmp_path),
    )
    yield server
    await server.aclose()


async def press(daifu: Daifu, friend: Person, order_id: str, scene: str) -> dict[str, Any]:
    """Press pay; in a mini-program the friend has another openid and no cookie."""
    headers = await bearer(daifu, friend) if scene == "MINIPROGRAM" else {}
    path = f"/api/orders/{order_id}/payments"
    answer = await friend.http.post(path, json={"trade_type": scene}, headers=headers)
    assert answer.status_code == 201, answer.text
    started: dict[str, Any] = answer.json()
    return started


async def bearer(daifu: Daifu, friend: Person) -> dict[str, str]:
    settings, clock = daifu.services.settings, daifu.services.clock
    sessions = Sessions(settings.session_secrets, ttl_s=600, secure=False, now_s=lambda: clock.now_ms() / 1000)
    async with httpx.AsyncClient(base_url=settings.simulator_url, trust_env=False, verify=False) as control:
        users = (await control.get("/_sim/users")).json()
    openids = next(user["openids"] for user in users if user["nickname"] == friend.name)
    payer = Payer(openids[settings.wechat_miniprogram_appid], friend.name)
    return {"Authorization": f"Bearer {sessions.token(Session(payer))}"}


PARAMS: Final = {
    "JSAPI": {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"},
    "MINIPROGRAM": {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"},
    "NATIVE": {"code_url", "expires_at_ms"},
    "MWEB": {"mweb_url", "expires_at_ms"},
    "APP": {"appid", "partnerid", "prepayid", "package", "noncestr", "timestamp", "sign"},
}


@pytest.mark.parametrize("scene", SCENES)
async def test_from_the_press_to_the_live_push(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person, scene: str
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    page = await initiator.watch(order_id)

    started = await press(daifu, friend, order_id, scene)
    again = await press(daifu, friend, order_id, scene)
    out_trade_no = started["payment"]["out_trade_no"]
    paid = await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    frames = await page.until_state("PAID")

    assert paid.status_code == 200, paid.text
    assert set(started["params"]) == PARAMS[scene]
    assert again["payment"]["out_trade_no"] == out_trade_no
    assert frames[-1]["order"]["payments"][0]["payer"]["name"] == "小明"
    attempt = (await daifu.services.store.get(order_id)).payments[0]
    assert (attempt.trade_type, attempt.api, attempt.evidence) == (scene, daifu.services.settings.wechat_api, "notify")


async def test_an_attempt_is_asked_after_by_the_api_that_ordered_it(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
) -> None:
    fault = await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    assert fault.status_code == 200, fault.text
    order_id = (await initiator.place_order())["order_id"]
    out_trade_no = await friend.start_payment(order_id)
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})

    confirmed = await friend.confirm(order_id, out_trade_no)

    assert confirmed.json()["trade_state"] == "SUCCESS"
    assert (await daifu.services.store.get(order_id)).payments[0].evidence == "return"


class TestCode:
    async def test_a_code_is_drawn_for_whoever_began_to_pay(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        started = await press(daifu, friend, order_id, "NATIVE")
        path = f"/api/orders/{order_id}/payments/{started['payment']['out_trade_no']}/qr"

        svg, png = [await friend.http.get(f"{path}.{kind}") for kind in ("svg", "png")]

        assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml; charset=utf-8")
        assert svg.text.startswith("<svg")
        assert (png.headers["content-type"], png.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
        problem(await initiator.http.get(f"{path}.svg"), 404, "order_not_found")
        assert started["params"]["code_url"].startswith("weixin://")
        assert started["params"]["expires_at_ms"] <= started["payment"]["expires_at_ms"]

    async def test_a_code_that_the_cache_forgot_is_ordered_again_under_its_number(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        out_trade_no = (await press(daifu, friend, order_id, "NATIVE"))["payment"]["out_trade_no"]
        await daifu.services.cache.delete(f"prepay:{out_trade_no}")

        answer = await friend.http.get(f"/api/orders/{order_id}/payments/{out_trade_no}/qr.svg")

        assert answer.status_code == 200
        orders = (await wechat_control.get("/_sim/ledger")).json()["orders"]
        assert [line["out_trade_no"] for line in orders] == [out_trade_no]

    async def test_there_is_none_of_another_scene_or_once_it_is_paid(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order(amount=200, shares=2))["order_id"]
        inside = await friend.start_payment(order_id)
        code = (await press(daifu, friend, order_id, "NATIVE"))["payment"]["out_trade_no"]
        page = await initiator.watch(order_id)
        await wechat_control.post("/_sim/pay", json={"out_trade_no": code, "outcome": "ok"})
        while not (await page.next_state())["order"]["paid_shares"]:
            pass

        path = f"/api/orders/{order_id}/payments"
        problem(await friend.http.get(f"{path}/{inside}/qr.svg"), 404, "order_not_found")
        problem(await friend.http.get(f"{path}/{code}/qr.png"), 409, "order_not_payable")


async def test_h5_comes_back_to_the_friends_page(daifu: Daifu, initiator: Person, friend: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]

    link = (await press(daifu, friend, order_id, "MWEB"))["params"]["mweb_url"]

    here = daifu.url.replace(":", "%3A").replace("/", "%2F")
    assert link.endswith(f"&redirect_url={here}%2Fpay%2F{order_id}")


async def test_a_merchant_of_platform_certificates_needs_no_public_key(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, merchant: dict[str, Any], tmp_path: Path
) -> None:
    await wechat_control.post("/_sim/keys", json={"platform": "certificate"})
    settings = {**v3_settings(merchant, tmp_path), "wechat_public_keys": ""}
    daifu = await start_daifu(
        data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, wechat_api="v3", wechat_api_keys="", **settings
    )
    try:
        async with Person("小明", daifu.url) as friend:
            await friend.log_in()
            order_id = (await friend.place_order())["order_id"]
            page = await friend.watch(order_id)
            out_trade_no = await friend.start_payment(order_id)
            await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
            await page.until_state("PAID")
        assert (await daifu.services.store.get(order_id)).payments[0].evidence == "notify"
    finally:
        await daifu.aclose()
