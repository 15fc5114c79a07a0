import json
from urllib.parse import parse_qs, urlsplit

import pytest

from server.errors import LoginRefused, WeChatRefused, WeChatUnavailable
from server.ports import Scope, WeChatUser
from server.wechat import official
from server.wechat.official import UserToken

OPENID = "oUpF8uMEb4qRXf22hE3X68TekukE"
TOKEN = UserToken("the-token", OPENID, is_snapshot=False, opens_name=True)


def an_access_token(**changes: object) -> bytes:
    answer = {"access_token": "the-token", "expires_in": 7200, "refresh_token": "r", "openid": OPENID}
    return json.dumps({**answer, "scope": "snsapi_userinfo", **changes}).encode()


def a_userinfo(**changes: object) -> bytes:
    answer = {"openid": OPENID, "nickname": "小明", "headimgurl": "https://wx.qlogo.cn/1", "privilege": [], "sex": 0}
    return json.dumps({**answer, **changes}, ensure_ascii=False).encode()


class TestAuthorizeUrl:
    def test_is_that_of_the_vector(self) -> None:
        url = official.authorize_url(
            "https://open.weixin.qq.com",
            appid="wxd930ea5d5a258f4f",
            redirect_uri="https://pay.example.com/wx/back?o=PAY1&t=a b",
            state="abc123",
            scope=Scope.BASE,
        )

        assert url == (
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wxd930ea5d5a258f4f&redirect_uri="
            "https%3A%2F%2Fpay.example.com%2Fwx%2Fback%3Fo%3DPAY1%26t%3Da%20b&response_type=code&scope=snsapi_base"
            "&state=abc123#wechat_redirect"
        )

    @pytest.mark.parametrize("state", ["", "a b", "a&b", "a" * 129, "ａ", "abc\n"])
    def test_refuses_a_state_wechat_would_not_return_unchanged(self, state: str) -> None:
        with pytest.raises(ValueError, match="state"):
            official.authorize_url(
                "https://open.weixin.qq.com", appid="wx", redirect_uri="https://x/", state=state, scope=Scope.BASE
            )


def test_a_code_is_redeemed_with_every_value_escaped() -> None:
    path = official.access_token_path(appid="wx1", secret="a&b=c", code="0 1+/")

    assert urlsplit(path).path == "/sns/oauth2/access_token"
    assert parse_qs(urlsplit(path).query) == {
        "appid": ["wx1"],
        "secret": ["a&b=c"],
        "code": ["0 1+/"],
        "grant_type": ["authorization_code"],
    }


def test_a_person_is_asked_for_by_token_and_openid() -> None:
    path = official.userinfo_path(TOKEN)

    assert urlsplit(path).path == "/sns/userinfo"
    assert parse_qs(urlsplit(path).query) == {"access_token": ["the-token"], "openid": [OPENID], "lang": ["zh_CN"]}


def test_a_token_does_not_show_itself() -> None:
    assert "the-token" not in repr(TOKEN)
    assert OPENID not in repr(TOKEN)


class TestGoodAnswers:
    def test_a_token_is_read(self) -> None:
        assert official.read_access_token(an_access_token()) == TOKEN
        assert official.read_access_token(an_access_token(errcode=0)) == TOKEN

    def test_a_page_in_snapshot_mode_is_recognised_and_its_visitor_has_no_name(self) -> None:
        token = official.read_access_token(an_access_token(is_snapshotuser=1))

        assert official.nameless_user(token) == WeChatUser(OPENID, "", "", is_snapshot=True)

    @pytest.mark.parametrize("scope", ["snsapi_base", "", "snsapi_userinfo_of_another_kind"])
    def test_the_token_of_a_silent_login_opens_no_name(self, scope: str) -> None:
        token = official.read_access_token(an_access_token(scope=scope))

        assert not token.opens_name
        assert official.nameless_user(token) == WeChatUser(OPENID, "", "")

    def test_a_person_is_read(self) -> None:
        assert official.read_userinfo(a_userinfo(), TOKEN) == WeChatUser(OPENID, "小明", "https://wx.qlogo.cn/1")

    def test_an_avatar_that_is_no_web_address_is_left_out(self) -> None:
        assert official.read_userinfo(a_userinfo(headimgurl="javascript:alert(1)"), TOKEN).avatar == ""


@pytest.mark.parametrize(
    ("errcode", "reason"),
    [
        (40029, "code_invalid"),
        (40163, "code_used"),
        (42003, "code_expired"),
        (41008, "code_missing"),
        (40226, "blocked"),
    ],
)
def test_a_code_that_cannot_be_redeemed_means_to_log_in_again(errcode: int, reason: str) -> None:
    with pytest.raises(LoginRefused) as caught:
        official.read_access_token(json.dumps({"errcode": errcode, "errmsg": "invalid code"}).encode())
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("errcode", "reason"),
    [(40001, "token_invalid"), (40003, "openid_invalid"), (40014, "token_invalid"), (42001, "token_expired"),
     (42007, "token_expired"), (43004, "must_follow")],
)  # fmt: skip
def test_a_token_that_is_no_good_any_more_means_to_log_in_again(errcode: int, reason: str) -> None:
    with pytest.raises(LoginRefused) as caught:
        official.read_userinfo(json.dumps({"errcode": errcode, "errmsg": "invalid"}).encode(), TOKEN)
    assert caught.value.reason == reason


@pytest.mark.parametrize("errcode", [40001, 40013, 40125, 40164, 40243, 41002, 41004, 48001])
def test_a_fault_of_our_configuration_is_a_refusal(errcode: int) -> None:
    with pytest.raises(WeChatRefused) as caught:
        official.read_access_token(json.dumps({"errcode": errcode, "errmsg": "invalid appid"}).encode())
    assert (caught.value.code, caught.value.message) == (str(errcode), "invalid appid")


@pytest.mark.parametrize("errcode", [-1, 45009, 45011, 99999])
def test_a_busy_wechat_or_an_unheard_of_code_is_unknown(errcode: int) -> None:
    with pytest.raises(WeChatUnavailable) as caught:
        official.read_access_token(json.dumps({"errcode": errcode, "errmsg": "system error"}).encode())
    assert caught.value.reason == f"errcode_{errcode}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"null",
        b"{}",
        b'{"errcode":"0"}',
        b'{"errcode":true}',
        "é".encode("latin-1"),
        b'{"access_token":"\xff"}',
        an_access_token(openid=""),
        an_access_token(openid="a b"),
        an_access_token(openid=["x"]),
        an_access_token(access_token=""),
        b"[" * 100_000,
        b'{"privilege":' + b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_unknown(body: bytes) -> None:
    with pytest.raises(WeChatUnavailable) as caught:
        official.read_access_token(body)
    assert caught.value.reason == "malformed"


def test_another_persons_data_is_not_believed() -> None:
    with pytest.raises(WeChatUnavailable) as caught:
        official.read_userinfo(a_userinfo(openid="oSomebodyElse"), TOKEN)
    assert caught.value.reason == "openid"
