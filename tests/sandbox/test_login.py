"""WeChat login: the authorize page, codes, and the merchant's calls."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.rig import CALLBACK, Rig


async def test_a_named_persona_comes_back_with_code_and_state(rig: Rig) -> None:
    response = await rig.authorize(persona="小红", redirect_uri=f"{CALLBACK}?next=1")
    back = urlsplit(response.headers["Location"])

    assert response.status_code == 302
    assert f"{back.scheme}://{back.netloc}{back.path}" == CALLBACK
    assert parse_qs(back.query).keys() == {"next", "code", "state"}
    assert parse_qs(back.query)["state"] == ["abc123"]


async def test_the_page_lets_a_person_choose_without_script(rig: Rig) -> None:
    page = await rig.authorize()
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/connect[^"]+)"', page.text)]
    chosen = await rig.http.get(links[1])
    refused = await rig.http.get(links[-1])

    assert page.status_code == 200
    assert "<script" not in page.text
    assert len(links) == 6
    code = parse_qs(urlsplit(chosen.headers["Location"]).query)["code"][0]
    assert (await rig.exchange(code)).json()["openid"] == await rig.openid("小红")
    assert refused.headers["Location"] == f"{CALLBACK}?state=abc123"


async def test_a_silent_login_says_whose_phone_it_is_and_then_he_alone_is_asked_for_his_name(rig: Rig) -> None:
    await rig.authorize(persona="老王", scope="snsapi_base")
    page = await rig.authorize()
    allow, refuse = [link.replace("&amp;", "&") for link in re.findall(r'href="(/connect[^"]+)"', page.text)]
    allowed, refused = await rig.http.get(allow), await rig.http.get(refuse)

    assert "老王" in page.text
    assert "小红" not in page.text
    code = parse_qs(urlsplit(allowed.headers["Location"]).query)["code"][0]
    token = (await rig.exchange(code)).json()
    assert (token["openid"], token["scope"]) == (await rig.openid("老王"), "snsapi_userinfo")
    assert refused.headers["Location"] == f"{CALLBACK}?state=abc123"
    assert len(re.findall('href="/connect', (await rig.authorize(scope="snsapi_base")).text)) == 6


async def test_a_preview_is_nobody(rig: Rig) -> None:
    back = await rig.authorize(snapshot="1", scope="snsapi_base")
    token = (await rig.exchange(parse_qs(urlsplit(back.headers["Location"]).query)["code"][0])).json()

    assert token["is_snapshotuser"] == 1
    assert token["openid"] not in {user["openid"] for user in (await rig.http.get("/_sim/users")).json()}


async def test_a_new_name_is_a_new_user_and_stays_the_same_one(rig: Rig) -> None:
    first = (await rig.exchange(await rig.code_of("压测-0001"))).json()["openid"]
    again = (await rig.exchange(await rig.code_of("压测-0001"))).json()["openid"]

    assert first == again == await rig.openid("压测-0001")
    await rig.ordered(openid=first)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"appid": "wx1111111111111111"}, "unknown appid"),
        ({"redirect_uri": "javascript:alert(1)"}, "10003"),
        ({"redirect_uri": "/auth/callback"}, "10003"),
        ({"response_type": "token"}, "response_type"),
        ({"scope": "snsapi_login"}, "10005"),
        ({"state": "a-b"}, "state"),
        ({"state": "a" * 129}, "state"),
        ({"state": ""}, "in this order"),
        ({"extra": "1"}, "in this order"),
        ({"persona": "  "}, "persona"),
        ({"persona": "x" * 33}, "persona"),
    ],
)
async def test_a_wrong_request_ends_on_an_error_page(rig: Rig, changes: dict[str, str], shown: str) -> None:
    page = await rig.authorize(**changes)

    assert page.status_code == 400
    assert "Location" not in page.headers
    assert shown in page.text


async def test_parameters_out_of_order_end_on_an_error_page(rig: Rig) -> None:
    query = f"redirect_uri=http%3A%2F%2Fx&appid={rig.merchant['appid']}&response_type=code&scope=snsapi_base&state=a"

    assert (await rig.http.get(f"/connect/oauth2/authorize?{query}")).status_code == 400


class TestCode:
    async def test_is_exchanged_once(self, rig: Rig) -> None:
        code = await rig.code_of()
        response = await rig.exchange(code)
        token = response.json()

        assert response.headers["Content-Type"].startswith("text/plain")
        assert token["openid"] == await rig.openid("小红")
        assert (token["expires_in"], token["scope"]) == (7200, "snsapi_userinfo")
        assert (await rig.exchange(code)).json()["errcode"] == 40163

    async def test_is_void_after_five_minutes(self, rig: Rig) -> None:
        code = await rig.code_of()
        await rig.advance(300)

        assert (await rig.exchange(code)).json()["errcode"] == 40029

    @pytest.mark.parametrize(
        ("changes", "errcode"),
        [
            ({"appid": ""}, 41002),
            ({"appid": "wx1111111111111111"}, 40013),
            ({"secret": ""}, 41004),
            ({"secret": "0" * 32}, 40125),
            ({"grant_type": "password"}, 40002),
            ({"code": ""}, 41008),
            ({"code": "made-up"}, 40029),
        ],
    )
    async def test_is_refused_with_an_errcode_and_http_200(
        self, rig: Rig, changes: dict[str, str], errcode: int
    ) -> None:
        code = await rig.code_of()
        response = await rig.exchange(code, **changes)

        assert (response.status_code, response.json()["errcode"]) == (200, errcode)
        assert (await rig.exchange(code)).json()["openid"]


class TestAccessToken:
    async def test_opens_name_and_face(self, rig: Rig) -> None:
        token = (await rig.exchange(await rig.code_of())).json()
        asked = {"access_token": token["access_token"], "openid": token["openid"], "lang": "zh_CN"}
        user = (await rig.http.get("/sns/userinfo", params=asked)).json()

        assert (user["openid"], user["nickname"]) == (token["openid"], "小红")
        assert (await rig.http.get(user["headimgurl"])).status_code == 200
        assert (await rig.http.get("/sns/auth", params=asked)).json() == {"errcode": 0, "errmsg": "ok"}

    async def test_of_the_base_scope_opens_no_name(self, rig: Rig) -> None:
        token = (await rig.exchange(await rig.code_of(scope="snsapi_base"))).json()
        asked = {"access_token": token["access_token"], "openid": token["openid"]}

        assert (await rig.http.get("/sns/userinfo", params=asked)).json()["errcode"] == 48001
        assert (await rig.http.get("/sns/auth", params=asked)).json()["errcode"] == 0

    async def test_is_refused_when_false_old_or_somebody_elses(self, rig: Rig) -> None:
        token = (await rig.exchange(await rig.code_of())).json()
        good = {"access_token": token["access_token"], "openid": token["openid"]}

        async def errcode(**changes: str) -> int:
            return int((await rig.http.get("/sns/auth", params={**good, **changes})).json()["errcode"])

        assert await errcode(access_token="") == 41001
        assert await errcode(access_token="x") == 40014
        assert await errcode(openid=await rig.openid("老王")) == 40003
        await rig.advance(7200)
        assert await errcode() == 42001
