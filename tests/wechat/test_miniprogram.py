"""A mini-program's login code, without a connection."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from server.errors import LoginRefused, WeChatRefused, WeChatUnavailable
from server.wechat import miniprogram

OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
KEY = "tiihtNczf5v6AKRyjwEUhQ=="


def said(**answer: object) -> bytes:
    return json.dumps(answer).encode()


def test_a_code_is_redeemed_with_every_value_escaped() -> None:
    path = miniprogram.code2session_path(appid="wx1", secret="a&b=c", js_code="0 1+/")

    assert urlsplit(path).path == "/sns/jscode2session"
    assert parse_qs(urlsplit(path).query) == {
        "appid": ["wx1"],
        "secret": ["a&b=c"],
        "js_code": ["0 1+/"],
        "grant_type": ["authorization_code"],
    }


def test_of_a_session_only_the_openid_is_read() -> None:
    assert miniprogram.read_openid(said(openid=OPENID, session_key=KEY, unionid="u")) == OPENID


@pytest.mark.parametrize(
    ("errcode", "reason"), [(40029, "code_invalid"), (40163, "code_used"), (40226, "blocked"), (41008, "code_missing")]
)
def test_a_code_that_cannot_be_redeemed_means_to_log_in_again(errcode: int, reason: str) -> None:
    with pytest.raises(LoginRefused) as caught:
        miniprogram.read_openid(said(errcode=errcode, errmsg="no"))
    assert caught.value.reason == reason


@pytest.mark.parametrize("errcode", [40013, 40125])
def test_a_fault_of_our_configuration_is_a_refusal(errcode: int) -> None:
    with pytest.raises(WeChatRefused):
        miniprogram.read_openid(said(errcode=errcode, errmsg="no"))


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", said(session_key=KEY), said(openid="a b", session_key=KEY), said(errcode=-1), said(errcode=45011)],
)
def test_what_is_no_answer_is_unknown(body: bytes) -> None:
    with pytest.raises(WeChatUnavailable):
        miniprogram.read_openid(body)
