"""Login: a state works once and in one browser, nobody is led astray, and what fails shows a page."""

from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from handlers.auth import Sessions
from sandbox.app import Sandbox
from tests.people import Person, a_client, is_wechats_login
from tests.problems import problem
from tests.running import Daifu, ShiftedClock, start_daifu
from tests.stored import stored

ASTRAY: Final = (
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "https:evil.example",
    "https://evil.example",
    "http:///evil.example",
    "HTTPS://evil.example",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "%2f%2fevil.example",
    "/orders\r\nSet-Cookie: a=b",
    "/orders\rx",
    "/\u2028x",
    "/\u202ex",
    "/a\\b",
    "",
    "?x",
    "#x",
)
OURS: Final = (
    "/",
    "/pay/01HZX000000000000000000000?from=singlemessage",
    "/orders/01HZX000000000000000000000#viewer=x",
    "/@evil.example",
    "/%2f%2fevil.example",
    "/%0d%0aSet-Cookie:a=b",
    "/a//b",
    "/搜索",
)


@pytest.fixture
async def newcomer(daifu: Daifu) -> AsyncIterator[Person]:
    """Somebody with an empty cookie jar."""
    async with Person("小红", daifu.url) as person:
        yield person


async def code_and_state(person: Person, next_path: str = "/") -> dict[str, str]:
    """Go to WeChat's login and come back as far as the address of the callback."""
    back = await person.come_back(await person.http.get("/auth/login", params={"next": next_path}))
    return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}


async def call_back(person: Person, **query: str) -> httpx.Response:
    return await person.http.get("/auth/callback", params=query)


def check_page(answer: httpx.Response, status: int, words: str) -> None:
    """A page for people with these words, without a session and without anything of the inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert words in answer.text
    for inside in ("Traceback", "WeChatUnavailable", "LoginRefused", "errcode", "/sns/", "secret"):
        assert inside not in answer.text
    assert "daifu_session" not in str(answer.headers.get_list("set-cookie"))


NOT_COMPLETED: Final = "The login was not completed"
NO_ANSWER: Final = "does not answer"


class TestTheState:
    async def test_missing_made_up_or_malformed_it_is_refused(self, daifu: Daifu, newcomer: Person) -> None:
        before = stored(daifu)
        code = (await code_and_state(newcomer))["code"]
        for state in ({}, {"state": ""}, {"state": "x" * 32}, {"state": "a b"}, {"state": "状态"}, {"state": "a;b=c"}):
            check_page(await call_back(newcomer, code=code, **state), 400, NOT_COMPLETED)
        assert stored(daifu) == before

    async def test_works_once(self, daifu: Daifu, newcomer: Person) -> None:
        first = await code_and_state(newcomer)
        assert (await call_back(newcomer, **first)).status_code == 302
        second = await code_and_state(newcomer)
        check_page(await call_back(newcomer, code=second["code"], state=first["state"]), 400, NOT_COMPLETED)

    async def test_works_once_even_with_a_kept_cookie(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, newcomer: Person
    ) -> None:
        query = await code_and_state(newcomer)
        kept = "; ".join(f"{cookie.name}={cookie.value}" for cookie in newcomer.http.cookies.jar)
        assert (await call_back(newcomer, **query)).status_code == 302
        async with a_client(daifu.url) as http:
            again = await http.get("/auth/callback", params=query, headers={"Cookie": kept, "Accept-Language": "en"})
        check_page(again, 400, NOT_COMPLETED)
        calls = (await wechat_control.get("/_sim/calls")).json()["calls"]
        assert [call["api"] for call in calls].count("access_token") == 1

    async def test_of_another_browser_is_refused(self, daifu: Daifu, newcomer: Person) -> None:
        query = await code_and_state(newcomer)
        async with Person("victim", daifu.url) as victim:
            await code_and_state(victim)
            check_page(await call_back(victim, **query), 400, NOT_COMPLETED)
            problem(await victim.http.get("/api/me"), 401, "not_logged_in")

    async def test_a_session_is_no_ticket(self, daifu: Daifu, initiator: Person) -> None:
        query = await code_and_state(initiator)
        initiator.http.cookies.set(f"daifu_login_{query['state']}", initiator.http.cookies["daifu_session"])
        async with a_client(daifu.url) as http:
            cookie = f"daifu_login_{query['state']}={initiator.http.cookies['daifu_session']}"
            answer = await http.get("/auth/callback", params=query, headers={"Cookie": cookie, "Accept-Language": "en"})
        check_page(answer, 400, NOT_COMPLETED)

    async def test_is_too_old_after_ten_minutes(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        clock = ShiftedClock()
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        daifu = await start_daifu(
            data_dir=tmp_path,
            wechat_url=wechat.url,
            merchant=merchant,
            parts=lambda services: replace(services, clock=clock),
        )
        async with Person("小红", daifu.url) as person:
            query = await code_and_state(person)
            clock.ahead_ms = 601_000
            check_page(await call_back(person, **query), 400, NOT_COMPLETED)
        await daifu.aclose()

    async def test_two_tabs_may_log_in_at_once(self, daifu: Daifu, newcomer: Person) -> None:
        await newcomer.log_in()
        queries = [await code_and_state(newcomer, path) for path in ("/pay/1", "/pay/2")]
        answers = [await call_back(newcomer, **query) for query in reversed(queries)]
        assert [answer.headers["location"] for answer in answers] == ["/pay/2", "/pay/1"]


class TestTheCode:
    async def test_used_twice_is_refused(self, daifu: Daifu, newcomer: Person) -> None:
        first = await code_and_state(newcomer)
        await call_back(newcomer, **first)
        second = await code_and_state(newcomer)
        check_page(await call_back(newcomer, code=first["code"], state=second["state"]), 400, NOT_COMPLETED)

    async def test_missing_is_refused(self, daifu: Daifu, newcomer: Person) -> None:
        for code in ({}, {"code": ""}, {"code": "  "}):
            state = (await code_and_state(newcomer))["state"]
            check_page(await call_back(newcomer, state=state, **code), 400, NOT_COMPLETED)

    async def test_made_up_is_refused(self, daifu: Daifu, newcomer: Person) -> None:
        for code in ("x", "&appid=y", "\u202e", "x" * 2000):
            state = (await code_and_state(newcomer))["state"]
            check_page(await call_back(newcomer, state=state, code=code), 400, NOT_COMPLETED)


class TestTheName:
    async def test_is_asked_for_only_once_and_the_next_login_is_silent(self, daifu: Daifu, newcomer: Person) -> None:
        away = await newcomer.http.get("/auth/login", params={"next": "/pay/1"})
        assert "&scope=snsapi_base&" in away.headers["location"]
        asked = await newcomer.http.get(await newcomer.come_back(away))
        assert "&scope=snsapi_userinfo&" in asked.headers["location"]
        landed = await newcomer.http.get(await newcomer.come_back(asked))
        assert landed.headers["location"] == "/pay/1"

        async with Person("小红", daifu.url) as other_browser:
            silent = await call_back(other_browser, **await code_and_state(other_browser, "/pay/2"))
            assert silent.headers["location"] == "/pay/2"
            assert (await other_browser.http.get("/api/me")).json() == (await newcomer.http.get("/api/me")).json()

    @pytest.mark.parametrize("how", ["refuse=1", "fault"])
    async def test_not_told_he_goes_on_without_one_and_is_asked_at_the_next_login(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, newcomer: Person, how: str
    ) -> None:
        asked = await call_back(newcomer, **await code_and_state(newcomer, "/pay/1"))
        if how == "fault":
            await wechat_control.post("/_sim/faults", json={"target": "oauth", "kind": "status", "status": 502})
        back = await newcomer.come_back(asked, how if how != "fault" else "")
        landed = await newcomer.http.get(back)

        assert (landed.status_code, landed.headers["location"]) == (302, "/pay/1")
        me = (await newcomer.http.get("/api/me")).json()
        assert me["user"] == {"name": "微信用户", "avatar": ""}
        assert (await newcomer.place_order())["initiator"]["name"] == "微信用户"

        assert not is_wechats_login(await newcomer.log_in())
        assert (await newcomer.http.get("/api/me")).json()["user"]["name"] == "小红"

    async def test_the_second_step_works_once_and_in_one_browser_as_well(self, daifu: Daifu, newcomer: Person) -> None:
        asked = await call_back(newcomer, **await code_and_state(newcomer))
        back = await newcomer.come_back(asked)
        async with Person("victim", daifu.url) as victim:
            check_page(await victim.http.get(back), 400, NOT_COMPLETED)
        assert (await newcomer.http.get(back)).status_code == 302
        check_page(await newcomer.http.get(back), 400, NOT_COMPLETED)

    async def test_a_preview_is_told_how_to_become_a_page_and_is_nobody(self, daifu: Daifu, newcomer: Person) -> None:
        before = stored(daifu)
        away = await newcomer.http.get("/auth/login", params={"next": "/pay/1"})
        preview = await newcomer.http.get(await newcomer.come_back(away, "snapshot=1"))

        check_page(preview, 403, "Tap “Use full service” in WeChat")
        problem(await newcomer.http.get("/api/me"), 401, "not_logged_in")
        assert stored(daifu) == before

    async def test_a_tab_that_changes_hands_learns_it_after_the_second_step(
        self, daifu: Daifu, initiator: Person
    ) -> None:
        initiator.name = "小明"
        landed = await initiator.log_in("/pay/1#top")
        viewer = (await initiator.http.get("/api/me")).json()["viewer"]
        assert landed.headers["location"] == f"/pay/1#viewer={viewer}"


class TestTheWayBack:
    async def test_leads_to_the_start_when_it_would_lead_elsewhere(self, daifu: Daifu, newcomer: Person) -> None:
        for path in ASTRAY:
            landed = await newcomer.log_in(path)
            assert (landed.status_code, landed.headers["location"]) == (302, "/"), path

    async def test_leads_to_the_page_that_was_asked_for(self, daifu: Daifu, newcomer: Person) -> None:
        for path in OURS:
            landed = await newcomer.log_in(path)
            assert landed.headers["location"] == path

    async def test_from_any_address_of_a_page_ends_on_our_own_site(self, daifu: Daifu, newcomer: Person) -> None:
        for path in ("/", "/pay/x?next=//evil.example", "/orders/%2F%2Fevil.example", "/pay/%5Cevil.example"):
            away = await newcomer.http.get(path)
            assert away.status_code == 302
            assert away.headers["location"] == "/auth/login?next=" + quote(path, safe="")
            own = httpx.URL(daifu.url)
            landed = own.join((await newcomer.log_in(path)).headers["location"])
            assert (landed.host, landed.port) == (own.host, own.port)
            newcomer.http.cookies.clear()

    async def test_another_name_of_ours_is_left_for_the_public_one(self, daifu: Daifu, newcomer: Person) -> None:
        port = daifu.url.rpartition(":")[2]
        for host in (f"localhost:{port}", "evil.example", "127.0.0.1"):
            answer = await newcomer.http.get("/pay/x?y=1", headers={"Host": host})
            assert answer.headers["location"] == f"{daifu.url}/pay/x?y=1"

    async def test_behind_a_proxy_that_speaks_tls_nobody_is_sent_in_circles(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        daifu = await start_daifu(
            data_dir=tmp_path,
            wechat_url=wechat.url,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            public_url="https://127.0.0.1",
        )
        async with a_client(daifu.url, headers={"Host": "127.0.0.1"}) as http:
            assert (await http.get("/")).headers["location"].startswith("/auth/login")
            assert (await http.get("/auth/login")).headers["location"].startswith(wechat.url)
        await daifu.aclose()


class TestWhileWeChatIsDown:
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "fail_before"},
            {"kind": "fail_after"},
            {"kind": "status", "status": 502},
            {"kind": "garbage"},
            {"kind": "oversize"},
            {"kind": "error", "code": -1},
        ],
        ids=lambda fault: str(fault["kind"]),
    )
    async def test_the_login_ends_on_a_page_and_the_next_one_works(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, newcomer: Person, fault: dict[str, object]
    ) -> None:
        query = await code_and_state(newcomer)
        await wechat_control.post("/_sim/faults", json={"target": "oauth", "times": 0, **fault})
        before = stored(daifu)

        check_page(await call_back(newcomer, **query), 502, NO_ANSWER)

        assert stored(daifu) == before
        await wechat_control.delete("/_sim/faults")
        assert (await newcomer.log_in()).status_code == 302

    async def test_a_wrong_app_secret_tells_no_more_than_wechats_code(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, newcomer: Person
    ) -> None:
        query = await code_and_state(newcomer)
        await wechat_control.post("/_sim/faults", json={"target": "oauth", "kind": "error", "code": 40125})
        check_page(await call_back(newcomer, **query), 502, "(40125)")


class TestCookies:
    async def test_are_kept_from_scripts_and_from_other_sites(self, daifu: Daifu, newcomer: Person) -> None:
        away = await newcomer.http.get("/auth/login")
        back = await newcomer.log_in()
        for answer in (away, back):
            assert answer.headers.get_list("set-cookie")
            for line in answer.headers.get_list("set-cookie"):
                [cookie] = SimpleCookie(line).values()
                assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
                assert cookie["domain"] == ""

    async def test_hold_neither_a_name_nor_an_openid_in_their_names(self, daifu: Daifu, newcomer: Person) -> None:
        await newcomer.log_in()
        names = sorted(cookie.name for cookie in newcomer.http.cookies.jar if cookie.name.startswith("daifu"))
        viewer = (await newcomer.http.get("/api/me")).json()["viewer"]
        assert names == ["daifu_session", f"daifu_session_{viewer}"]
        assert len(viewer) == 12

    async def test_a_spent_ticket_is_dropped(self, daifu: Daifu, newcomer: Person) -> None:
        await newcomer.log_in()
        assert not [cookie.name for cookie in newcomer.http.cookies.jar if "login" in cookie.name]


class TestTwoPeopleInOneBrowser:
    async def test_the_page_says_for_whom_it_speaks(self, daifu: Daifu, newcomer: Person) -> None:
        await newcomer.log_in()
        red = (await newcomer.http.get("/api/me")).json()["viewer"]
        order_id = (await newcomer.place_order())["order_id"]
        newcomer.name = "小明"
        landed = await newcomer.log_in("/pay/1")
        ming = (await newcomer.http.get("/api/me")).json()["viewer"]
        assert landed.headers["location"] == f"/pay/1#viewer={ming}"

        for viewer, name, role in ((red, "小红", "initiator"), (ming, "小明", "friend"), ("", "小明", "friend")):
            for headers, query in (({"X-Daifu-Viewer": viewer}, ""), ({}, f"?viewer={viewer}")):
                me = await newcomer.http.get(f"/api/me{query}", headers=headers)
                assert me.json()["user"]["name"] == name
                order = await newcomer.http.get(f"/api/orders/{order_id}{query}", headers=headers)
                assert order.json()["order"]["my_role"] == role

    async def test_an_unknown_one_is_nobody_and_never_whoever_came_last(self, daifu: Daifu, initiator: Person) -> None:
        for viewer in ("0" * 12, "x", "; daifu_session", "../", "é", "_"):
            quoted = quote(viewer)
            problem(await initiator.http.get(f"/api/me?viewer={quoted}"), 401, "not_logged_in")
            problem(await initiator.http.get("/api/me", headers={"X-Daifu-Viewer": quoted}), 401, "not_logged_in")


async def test_under_https_every_cookie_is_bound_to_our_host(wechat_control: httpx.AsyncClient, tmp_path: Path) -> None:
    daifu = await start_daifu(
        data_dir=tmp_path,
        wechat_url="https://wechat.invalid",
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        public_url="https://daifu.invalid",
    )
    async with a_client(f"http://127.0.0.1:{daifu.port}") as proxy:
        away = await proxy.get("/auth/login", headers={"Host": "daifu.invalid"})
    await daifu.aclose()

    [cookie] = SimpleCookie(away.headers["set-cookie"]).values()
    assert cookie.key.startswith("__Host-daifu_login_")
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Lax", "/")
    assert away.headers["strict-transport-security"]
    sessions = Sessions(daifu.services.settings.session_secrets, ttl_s=60, secure=True, now_s=lambda: 0)
    assert sessions.cookie_name() == "__Host-daifu_session"
    assert sessions.cookie_name("slot") == "__Host-daifu_session_slot"
