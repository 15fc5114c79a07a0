"""Who gets to the dashboard, and who does not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu, start_daifu

PASSWORD = "a password for tests"
GUARDED = ("/api/stats", "/api/stats.csv", "/api/admin/orders/01HZX000000000000000000000")


@pytest.fixture
async def guarded(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu with a password for the dashboard."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, admin_password=PASSWORD)
    yield server
    await server.aclose()


@pytest.fixture
async def http(guarded: Daifu) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(guarded.url, headers={"Accept-Language": "en"}) as http:
        yield http


async def log_in(http: httpx.AsyncClient, password: str = PASSWORD) -> httpx.Response:
    body = json.dumps({"password": password})  # escaped: half a surrogate can be sent too
    return await http.post("/admin/login", content=body, headers={"Content-Type": "application/json"})


class TestWithAPassword:
    async def test_it_opens_everything_until_the_logout(self, http: httpx.AsyncClient) -> None:
        for path in GUARDED:
            problem(await http.get(path), 401, "operator_login")
        assert 'id="password"' in (await http.get("/admin")).text

        answer = await log_in(http)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("daifu_operator=", "httponly", "samesite=strict", "path=/;"))
        assert PASSWORD not in answer.headers["set-cookie"]
        assert 'id="funnel"' in (await http.get("/admin")).text
        assert (await http.get("/api/stats")).status_code == 200

        assert (await http.post("/admin/logout", json={})).status_code == 200
        problem(await http.get("/api/stats"), 401, "operator_login")

    async def test_a_session_of_a_payer_or_a_forged_cookie_is_no_operator(self, guarded: Daifu) -> None:
        async with Person("小红", guarded.url) as person:
            await person.log_in()
            problem(await person.http.get("/api/stats"), 401, "operator_login")
            session = next(cookie.value for cookie in person.http.cookies.jar if cookie.name == "daifu_session")
        async with a_client(guarded.url) as http:
            for value in (session, "", "2|1:0|10:1|4:mark|0:|00"):
                answer = await http.get("/api/stats", headers={"Cookie": f"daifu_operator={value}"})
                problem(answer, 401, "operator_login")

    async def test_a_cookie_ends_with_the_password_it_was_given_for(
        self, guarded: Daifu, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        async with a_client(guarded.url) as http:
            cookie = (await log_in(http)).headers["set-cookie"].partition(";")[0]
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        other = await start_daifu(
            data_dir=tmp_path / "other", wechat_url=wechat.url, merchant=merchant, admin_password="another password"
        )
        async with a_client(other.url) as http:
            problem(await http.get("/api/stats", headers={"Cookie": cookie}), 401, "operator_login")
        await other.aclose()

    async def test_guessing_is_slowed_down_for_one_network_even_when_the_guess_is_right(
        self, http: httpx.AsyncClient
    ) -> None:
        for number in range(10):
            problem(await log_in(http, f"guess {number} \ud83d"), 403, "wrong_password")

        refused = await log_in(http)

        assert problem(refused, 429, "too_many_tries")["retry_after_s"] == 300
        assert refused.headers["retry-after"] == "300"

    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            ('{"password": "x"}', {"Origin": "https://evil.example"}, 403),
            ('{"password": "x"}', {"Sec-Fetch-Site": "cross-site"}, 403),
            ('{"password": "x"}', {"Content-Type": "text/plain"}, 415),
            ('{"password": 7}', {}, 400),
            ("{}", {}, 400),
        ],
    )
    async def test_what_is_no_login_from_our_own_page_is_refused(
        self, http: httpx.AsyncClient, body: str, headers: dict[str, str], status: int
    ) -> None:
        answer = await http.post("/admin/login", content=body, headers={"Content-Type": "application/json", **headers})

        assert answer.status_code == status
        assert "set-cookie" not in answer.headers


class TestWithoutAPassword:
    async def test_this_machine_may(self, daifu: Daifu) -> None:
        async with a_client(daifu.url) as http:
            assert 'id="funnel"' in (await http.get("/admin")).text
            assert (await http.get("/api/stats")).status_code == 200
            problem(await log_in(http), 403, "operator_refused")

    @pytest.mark.parametrize(
        "headers",
        [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=x"}, {"Via": "1.1 x"}, {"Host": "evil.example"}],
    )
    async def test_what_came_through_other_hands_or_under_another_name_may_not(
        self, daifu: Daifu, headers: dict[str, str]
    ) -> None:
        async with a_client(daifu.url, headers=headers) as http:
            for path in GUARDED:
                problem(await http.get(path), 403, "operator_refused")

    async def test_nobody_may_where_daifu_has_a_public_address(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        server = await start_daifu(
            data_dir=tmp_path,
            wechat_url="https://api.mch.weixin.qq.com",
            merchant=merchant,
            public_url="https://pay.example.com",
        )
        async with a_client(server.url) as http:
            problem(await http.get("/api/stats"), 403, "operator_refused")
            assert (await http.get("/admin")).status_code == 403
        await server.aclose()

    async def test_a_foreign_page_changes_nothing(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        async with a_client(daifu.url, headers={"Origin": "https://evil.example"}) as http:
            for deed in ("close", "refund", "retry"):
                problem(await http.post(f"/api/admin/orders/{order_id}/{deed}", json={}), 403, "foreign_origin")

        assert (await daifu.services.store.get(order_id)).rev == 1
