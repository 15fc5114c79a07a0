"""The simulated official account: token, ticket, messages, and the mini-program's login."""

import httpx
import pytest

from tests.sandbox.rig import Rig


async def stable_token(rig: Rig, **changes: object) -> httpx.Response:
    asked = {
        "grant_type": "client_credential",
        "appid": rig.merchant["appid"],
        "secret": rig.merchant["app_secret"],
        "force_refresh": False,
    }
    return await rig.http.post("/cgi-bin/stable_token", json={**asked, **changes})


async def token(rig: Rig, **changes: object) -> str:
    return str((await stable_token(rig, **changes)).json()["access_token"])


async def errcode_of_ticket(rig: Rig, access_token: str) -> int:
    asked = {"access_token": access_token, "type": "jsapi"}
    return int((await rig.http.get("/cgi-bin/ticket/getticket", params=asked)).json()["errcode"])


async def send(rig: Rig, kind: str = "template/send", /, **changes: object) -> dict[str, object]:
    asked = {"touser": await rig.openid(), "template_id": "t1", "data": {"thing1": {"value": "奶茶"}}, **changes}
    own = {"appid": rig.merchant["miniprogram_appid"], "secret": rig.merchant["miniprogram_secret"]}
    path = f"/cgi-bin/message/{kind}?access_token={await token(rig, **(own if kind == 'subscribe/send' else {}))}"
    return dict((await rig.http.post(path, json=asked)).json())


async def messages(rig: Rig) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await rig.http.get("/_sim/messages")).json()["messages"]
    return found


class TestStableToken:
    async def test_is_the_same_until_five_minutes_before_its_end(self, rig: Rig) -> None:
        first = (await stable_token(rig)).json()
        await rig.advance(6800)
        again = (await stable_token(rig)).json()
        await rig.advance(150)
        renewed = await token(rig)

        assert first["expires_in"] in (7199, 7200)
        assert (again["access_token"], again["expires_in"] <= 400) == (first["access_token"], True)
        assert renewed != first["access_token"]
        assert await errcode_of_ticket(rig, first["access_token"]) == 0  # for the few minutes it has left
        await rig.advance(300)
        assert await errcode_of_ticket(rig, first["access_token"]) == 42001

    async def test_forced_kills_the_old_one_at_once_and_cannot_be_forced_again_soon(self, rig: Rig) -> None:
        first = await token(rig)
        forced = await token(rig, force_refresh=True)

        assert [await errcode_of_ticket(rig, value) for value in (first, forced, "", "x")] == [40001, 0, 41001, 40001]
        assert (await stable_token(rig, force_refresh=True)).json()["errcode"] == 45011
        assert await token(rig) == forced

    async def test_is_forced_twenty_times_a_day(self, rig: Rig) -> None:
        answers = []
        for _ in range(21):
            answers.append((await stable_token(rig, force_refresh=True)).json().get("errcode", 0))
            await rig.advance(30)
        assert answers == [0] * 20 + [45009]

    @pytest.mark.parametrize(
        ("changes", "errcode"),
        [
            ({"appid": "wx1"}, 40013),
            ({"secret": "0" * 32}, 40125),
            ({"grant_type": "x"}, 40002),
            ({"force_refresh": "yes"}, 47001),
        ],
    )
    async def test_is_refused_with_an_errcode_and_http_200(
        self, rig: Rig, changes: dict[str, object], errcode: int
    ) -> None:
        answer = await stable_token(rig, **changes)
        assert (answer.status_code, answer.json()["errcode"]) == (200, errcode)

    async def test_can_be_made_to_fail(self, rig: Rig) -> None:
        await rig.fault("stable_token", "error", code=-1)
        assert (await stable_token(rig)).json()["errcode"] == -1
        await rig.fault("getticket", "error", code=40001)
        assert await errcode_of_ticket(rig, await token(rig)) == 40001


class TestMessages:
    async def test_one_number_to_one_person_is_sent_once_within_ten_minutes(self, rig: Rig) -> None:
        sent = [await send(rig, client_msg_id="7", url="https://x/") for _ in range(2)]
        await rig.advance(600)
        sent.append(await send(rig, client_msg_id="7"))

        assert [answer["msgid"] for answer in sent] == [1, 1, 2]
        [message, _] = await messages(rig)
        assert message["data"] == {"thing1": "奶茶"}
        assert (message["touser"], message["url"], message["kind"]) == (await rig.openid(), "https://x/", "template")

    @pytest.mark.parametrize(
        ("changes", "errcode"),
        [
            ({"touser": "o-nobody"}, 40003),
            ({"template_id": ""}, 40037),
            ({"data": {"thing1": {"value": "长" * 21}}}, 47003),
            ({"data": {"thing1": "x"}}, 47003),
        ],
    )
    async def test_a_wrong_one_is_refused_and_not_sent(
        self, rig: Rig, changes: dict[str, object], errcode: int
    ) -> None:
        assert (await send(rig, **changes))["errcode"] == errcode
        assert await messages(rig) == []

    async def test_a_subscribed_one_needs_a_consent_each(self, rig: Rig) -> None:
        assert (await send(rig, "subscribe/bizsend"))["errcode"] == 43101
        await rig.http.post("/_sim/messages", json={"openid": await rig.openid(), "template_id": "t1"})

        answers = [(await send(rig, "subscribe/bizsend"))["errcode"] for _ in range(2)]

        assert answers == [0, 43101]
        assert [message["kind"] for message in await messages(rig)] == ["subscribe"]

    async def test_the_mini_programs_own_goes_with_its_own_token_to_its_own_openids(self, rig: Rig) -> None:
        openid = await rig.openid_under(rig.merchant["miniprogram_appid"])
        await rig.http.post("/_sim/messages", json={"openid": openid, "template_id": "t1"})

        assert (await send(rig, "subscribe/send"))["errcode"] == 40003
        assert (await send(rig, "subscribe/bizsend", touser=openid))["errcode"] == 40003
        assert (await send(rig, "subscribe/send", touser=openid))["errcode"] == 0
        stranger = await rig.http.post(f"/cgi-bin/message/subscribe/send?access_token={await token(rig)}", json={})
        assert stranger.json()["errcode"] == 40001
        assert [message["kind"] for message in await messages(rig)] == ["miniprogram"]


class TestMiniProgram:
    async def redeem(self, rig: Rig, js_code: str, **changes: str) -> dict[str, object]:
        asked = {
            "appid": rig.merchant["miniprogram_appid"],
            "secret": rig.merchant["miniprogram_secret"],
            "js_code": js_code,
            "grant_type": "authorization_code",
        }
        return dict((await rig.http.get("/sns/jscode2session", params={**asked, **changes})).json())

    async def code(self, rig: Rig) -> str:
        return str((await rig.http.post("/_sim/js_code", json={"persona": "小红"})).json()["js_code"])

    async def test_a_code_works_once_and_for_five_minutes(self, rig: Rig) -> None:
        code, late = await self.code(rig), await self.code(rig)
        session = await self.redeem(rig, code)

        assert session.keys() == {"openid", "session_key"}
        assert session["openid"] != await rig.openid("小红")  # another appid, another openid
        assert (await self.redeem(rig, code))["errcode"] == 40163
        assert (await self.redeem(rig, "made-up"))["errcode"] == 40029
        await rig.advance(300)
        assert (await self.redeem(rig, late))["errcode"] == 40029

    async def test_the_accounts_own_credentials_do_not_do(self, rig: Rig) -> None:
        code = await self.code(rig)
        assert (await self.redeem(rig, code, appid=rig.merchant["appid"]))["errcode"] == 40013
        assert (await self.redeem(rig, code, secret="0" * 32))["errcode"] == 40125
        assert (await self.redeem(rig, code))["openid"]
