"""A friend in a browser that is not WeChat's: no login, a cookie that proves one thing, payment by code or link."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import Sandbox
from tests.handlers.test_scenes import v3_settings
from tests.people import Person
from tests.problems import problem
from tests.running import Daifu, ShiftedClock, start_daifu

GUEST = {"X-Daifu-Viewer": "guest"}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"


async def a_guest(daifu: Daifu, order_id: str) -> Person:
    """Return a browser that has opened the link outside WeChat."""
    guest = Person("", daifu.url)
    page = await guest.http.get(f"/pay/{order_id}", params={"outside": "1"})
    assert page.status_code == 200, page.text
    guest.http.headers.update(GUEST)
    return guest


async def begin(guest: Person, order_id: str, trade_type: str) -> httpx.Response:
    return await guest.http.post(f"/api/orders/{order_id}/payments", json={"trade_type": trade_type})


async def pay(wechat_control: httpx.AsyncClient, out_trade_no: str, name: str) -> None:
    users = (await wechat_control.get("/_sim/users")).json()
    openid = next(user["openid"] for user in users if user["nickname"] == name)
    asked = {"out_trade_no": out_trade_no, "openid": openid, "outcome": "ok"}
    answer = await wechat_control.post("/_sim/pay", json=asked)
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def order_id(initiator: Person) -> str:
    order_id: str = (await initiator.place_order())["order_id"]
    return order_id


@pytest.fixture
async def guest(daifu: Daifu, order_id: str) -> AsyncIterator[Person]:
    async with await a_guest(daifu, order_id) as person:
        yield person


@pytest.fixture(params=["v2", "v3"])
async def on_either_api(
    request: pytest.FixtureRequest, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    settings = {**v3_settings(merchant, tmp_path), "wechat_api": request.param}
    daifu = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, **settings)
    yield daifu
    await daifu.aclose()


@pytest.mark.parametrize("scene", ["NATIVE", "MWEB"])
@pytest.mark.parametrize("payer", ["小明", "老王"])
async def test_the_page_learns_live_that_it_is_paid_and_the_initiator_by_whom(
    on_either_api: Daifu, wechat_control: httpx.AsyncClient, scene: str, payer: str
) -> None:
    daifu = on_either_api
    async with Person("小红", daifu.url) as initiator, Person("小明", daifu.url) as known:
        await initiator.log_in()
        await known.log_in()
        order_id = (await initiator.place_order())["order_id"]
        async with await a_guest(daifu, order_id) as guest:
            pages = [await initiator.watch(order_id), await guest.watch(order_id, **GUEST)]
            started = (await begin(guest, order_id, scene)).json()
            await pay(wechat_control, started["payment"]["out_trade_no"], payer)

            his, guests = [(await page.until_state("PAID"))[-1]["order"] for page in pages]

        name = "小明" if payer == "小明" else ""  # the other one has never logged in
        assert (his["payments"][0]["payer"]["name"], his["payments"][0]["mine"]) == (name, False)
        assert (guests["payments"][0]["mine"], guests["my_role"]) == (True, "payer")
        if payer == "小明":
            assert (await known.read_order(order_id))["my_role"] == "payer"


async def test_a_payer_is_named_too_when_only_a_query_tells_of_him(
    guest: Person, friend: Person, order_id: str, wechat_control: httpx.AsyncClient
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    out_trade_no = (await begin(guest, order_id, "NATIVE")).json()["payment"]["out_trade_no"]
    await pay(wechat_control, out_trade_no, "小明")

    confirmed = await guest.confirm(order_id, out_trade_no)

    assert confirmed.json()["trade_state"] == "SUCCESS"
    assert confirmed.json()["order"]["payments"][0]["payer"]["name"] == "小明"


class TestWhatAGuestMay:
    async def test_he_is_offered_what_needs_no_openid(self, guest: Person, friend: Person) -> None:
        assert (await guest.http.get("/api/scenes")).json() == {"trade_types": ["NATIVE", "MWEB"]}
        assert (await friend.http.get("/api/scenes")).json() == {"trade_types": ["JSAPI", "NATIVE", "MWEB"]}

    async def test_he_pays_by_nothing_that_needs_one(self, daifu: Daifu, guest: Person, order_id: str) -> None:
        before = await daifu.services.store.get(order_id)

        for scene in ("JSAPI", "MINIPROGRAM", "APP"):
            problem(await begin(guest, order_id, scene), 400, "bad_request")

        assert await daifu.services.store.get(order_id) == before

    async def test_whatever_else_needs_a_person_is_refused(self, daifu: Daifu, guest: Person, order_id: str) -> None:
        before = await daifu.services.store.get(order_id)

        for path in ("/api/me", "/api/orders", "/api/jssdk?url=x"):
            problem(await guest.http.get(path), 401, "not_logged_in")
        order = {"title": "奶茶", "amount": 100}
        for path, body in (
            ("/api/orders", order),
            ("/api/token", {}),
            (f"/api/orders/{order_id}/close", {}),
            (f"/api/orders/{order_id}/refund", {}),
            (f"/api/orders/{order_id}/watch-token", {}),
        ):
            problem(await guest.http.post(path, json=body), 401, "not_logged_in")

        assert await daifu.services.store.get(order_id) == before

    async def test_another_browser_is_another_guest(self, daifu: Daifu, guest: Person, order_id: str) -> None:
        out_trade_no = (await begin(guest, order_id, "NATIVE")).json()["payment"]["out_trade_no"]

        async with await a_guest(daifu, order_id) as other:
            problem(await other.confirm(order_id, out_trade_no), 404, "order_not_found")
            path = f"/api/orders/{order_id}/payments/{out_trade_no}/qr.svg"
            problem(await other.http.get(path), 404, "order_not_found")
            assert (await guest.http.get(path)).status_code == 200
            assert (await begin(other, order_id, "NATIVE")).status_code == 409  # leased

    async def test_without_the_cookie_he_is_nobody_and_a_session_is_not_his(
        self, guest: Person, friend: Person
    ) -> None:
        cookie = guest.http.cookies["daifu_guest"]
        guest.http.cookies.clear()
        problem(await guest.http.get("/api/scenes"), 401, "not_logged_in")

        guest.http.cookies.set("daifu_session", cookie)
        del guest.http.headers["X-Daifu-Viewer"]
        problem(await guest.http.get("/api/me"), 401, "not_logged_in")

    async def test_a_foreign_page_begins_nothing_with_his_cookie(
        self, daifu: Daifu, guest: Person, order_id: str
    ) -> None:
        before = await daifu.services.store.get(order_id)
        path = f"/api/orders/{order_id}/payments"

        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            foreign = await guest.http.post(path, json={"trade_type": "NATIVE"}, headers=headers)
            problem(foreign, 403, "foreign_origin")

        assert await daifu.services.store.get(order_id) == before

    async def test_a_new_guest_each_time_is_the_same_address(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        daifu = await start_daifu(
            data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, rate_guest_payments_per_min=2
        )
        try:
            async with Person("小红", daifu.url) as initiator:
                await initiator.log_in()
                order_id = (await initiator.place_order(amount=300, shares=3))["order_id"]
                answers = []
                for _ in range(3):
                    async with await a_guest(daifu, order_id) as guest:
                        answers.append(await begin(guest, order_id, "NATIVE"))
                assert [answer.status_code for answer in answers] == [201, 201, 429]
                assert (await initiator.press_pay(order_id)).status_code == 201
        finally:
            await daifu.aclose()


async def test_another_way_gives_the_first_one_up_and_closes_it_when_wechat_lets_us(
    daifu: Daifu, guest: Person, order_id: str
) -> None:
    await begin(guest, order_id, "NATIVE")
    await begin(guest, order_id, "MWEB")

    order = await daifu.services.store.get(order_id)

    code, link = order.payments
    assert (code.lease_until_ms, link.lease_until_ms > 0) == (0, True)
    [close] = [effect for effect in order.effects if effect.kind == "close"]
    assert (close.about, close.due_at_ms) == (code.out_trade_no, code.created_at_ms + 300_000)


async def test_a_code_that_ran_out_is_renewed_under_its_number(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    clock = ShiftedClock()
    daifu = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        parts=lambda services: replace(services, clock=clock),
    )
    try:
        async with Person("小红", daifu.url) as initiator:
            await initiator.log_in()
            order_id = (await initiator.place_order())["order_id"]
        async with await a_guest(daifu, order_id) as guest:
            first = (await begin(guest, order_id, "NATIVE")).json()
            out_trade_no = first["payment"]["out_trade_no"]
            clock.ahead_ms = first["params"]["expires_at_ms"] - clock.now_ms()
            await daifu.services.cache.delete(f"prepay:{out_trade_no}")  # it keeps a code for an hour

            second = (await begin(guest, order_id, "NATIVE")).json()

        assert second["payment"]["out_trade_no"] == out_trade_no
        assert second["params"]["code_url"] != first["params"]["code_url"]
        assert second["params"]["expires_at_ms"] >= clock.now_ms() + 7_190_000
    finally:
        await daifu.aclose()


class TestThePage:
    async def test_what_the_contract_does_not_cover_is_not_offered(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        settings: dict[str, Any] = {"wechat_trade_types": "JSAPI,NATIVE"}
        daifu = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, **settings)
        try:
            async with Person("小明", daifu.url) as friend:
                await friend.log_in()
                order_id = (await friend.place_order())["order_id"]
                assert (await friend.http.get("/api/scenes")).json() == {"trade_types": ["JSAPI", "NATIVE"]}
                assert problem(await begin(friend, order_id, "MWEB"), 400, "bad_request")
        finally:
            await daifu.aclose()

    async def test_it_tells_wechat_from_which_site_it_comes_and_loads_no_bridge(
        self, guest: Person, order_id: str
    ) -> None:
        page = await guest.http.get(f"/pay/{order_id}")  # back from the H5 cashier: known by the cookie alone

        assert page.status_code == 200
        assert page.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "bridge.js" not in page.text
        assert page.headers["set-cookie"].startswith("daifu_guest=")
        assert all(word in page.headers["set-cookie"] for word in ("HttpOnly", "SameSite=Lax"))
