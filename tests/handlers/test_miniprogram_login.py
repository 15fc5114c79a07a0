"""A mini-program logs in with a code and gets a bearer token; the session_key stays behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import Sandbox
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu, start_daifu
from tests.stored import stored


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu with a mini-program."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        wechat_miniprogram_appid=merchant["miniprogram_appid"],
        wechat_miniprogram_secret=merchant["miniprogram_secret"],
    )
    yield server
    await server.aclose()


@pytest.fixture
async def phone(daifu: Daifu) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(daifu.url, headers={"Accept-Language": "en"}) as http:
        yield http


async def wx_login(control: httpx.AsyncClient, name: str = "小红") -> str:
    return str((await control.post("/_sim/js_code", json={"persona": name})).json()["js_code"])


async def log_in(phone: httpx.AsyncClient, **asked: Any) -> httpx.Response:
    return await phone.post("/auth/miniprogram", json=asked)


async def test_a_code_becomes_a_token_that_places_orders_and_watches(
    daifu: Daifu, wechat_control: httpx.AsyncClient, phone: httpx.AsyncClient
) -> None:
    answer = await log_in(phone, code=await wx_login(wechat_control), name="小红")
    assert answer.status_code == 201
    assert answer.json().keys() == {"token", "expires_in_s"}
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}

    assert (await phone.get("/api/me", headers=bearer)).json()["user"]["name"] == "小红"
    placed = await phone.post("/api/orders", json={"title": "奶茶", "amount": 1}, headers=bearer)
    assert placed.status_code == 201
    assert not phone.cookies


async def test_without_a_name_he_is_some_user_of_wechat(
    wechat_control: httpx.AsyncClient, phone: httpx.AsyncClient
) -> None:
    token = (await log_in(phone, code=await wx_login(wechat_control))).json()["token"]
    me = await phone.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["user"]["name"] == "微信用户"


async def test_a_code_is_taken_once_and_wechat_is_asked_once(
    daifu: Daifu, wechat_control: httpx.AsyncClient, phone: httpx.AsyncClient
) -> None:
    code = await wx_login(wechat_control)
    assert (await log_in(phone, code=code)).status_code == 201
    before = stored(daifu)

    problem(await log_in(phone, code=code), 400, "login_failed")

    calls = (await wechat_control.get("/_sim/calls")).json()["calls"]
    assert [call["api"] for call in calls].count("code2session") == 1
    assert stored(daifu) == before


async def test_a_wrong_or_late_code_and_a_wechat_that_is_down_change_nothing(
    daifu: Daifu, wechat_control: httpx.AsyncClient, phone: httpx.AsyncClient
) -> None:
    before = stored(daifu)
    problem(await log_in(phone, code="made-up"), 400, "login_failed")
    late = await wx_login(wechat_control)
    await wechat_control.post("/_sim/clock", json={"advance_s": 300})
    problem(await log_in(phone, code=late), 400, "login_failed")
    for fault in ({"kind": "fail_before"}, {"kind": "garbage"}, {"kind": "error", "code": -1}):
        await wechat_control.post("/_sim/faults", json={"target": "code2session", **fault})
        problem(await log_in(phone, code=await wx_login(wechat_control)), 502, "wechat_unavailable")
    await wechat_control.post("/_sim/faults", json={"target": "code2session", "kind": "error", "code": 40125})
    problem(await log_in(phone, code=await wx_login(wechat_control)), 502, "wechat_refused")
    assert stored(daifu) == before


async def test_bad_input_is_named(phone: httpx.AsyncClient) -> None:
    for asked, field in (
        ({}, "code"),
        ({"code": ""}, "code"),
        ({"code": 7}, "code"),
        ({"code": "x" * 129}, "code"),
        ({"code": "a\u202eb"}, "code"),
        ({"code": "x", "name": "长" * 33}, "name"),
        ({"code": "x", "openid": "o"}, "openid"),
    ):
        assert problem(await log_in(phone, **asked), 400, "bad_request")["field"] == field
    foreign = await phone.post("/auth/miniprogram", json={"code": "x"}, headers={"Origin": "https://evil.example"})
    problem(foreign, 403, "foreign_origin")


async def test_without_a_mini_program_nobody_logs_in_there(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    daifu = await start_daifu(data_dir=tmp_path / "other", wechat_url=wechat.url, merchant=merchant)
    async with Person("小红", daifu.url) as person:
        problem(await person.http.post("/auth/miniprogram", json={"code": "x"}), 404, "no_miniprogram")
    await daifu.aclose()
