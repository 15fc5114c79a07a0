import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from server.errors import LoginRefused, WeChatUnavailable
from server.ports import LoginGateway, Scope, WeChatUser
from server.wechat.official_client import WeChatLoginClient
from tests.wechat.wechat_peer import Peer, a_peer, http

OPENID = "oUpF8uMEb4qRXf22hE3X68TekukE"
SECRET = "the-secret-of-the-account"


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with a_peer() as running:
        yield running


@asynccontextmanager
async def a_login_client(base_url: str) -> AsyncIterator[LoginGateway]:
    client = WeChatLoginClient("wx1", SECRET, base_url, "https://open.weixin.qq.com/")
    try:
        yield client
    finally:
        await client.aclose()


def said(**answer: object) -> bytes:
    return http(json.dumps(answer, ensure_ascii=False).encode(), Content_Type="text/plain")


class TestLogin:
    async def test_turns_a_code_into_a_person(self, peer: Peer) -> None:
        peer.replies = [
            said(access_token="t", openid=OPENID, expires_in=7200, scope="snsapi_userinfo"),
            said(openid=OPENID, nickname="小明", headimgurl="https://wx.qlogo.cn/1"),
        ]
        async with a_login_client(peer.url) as client:
            assert await client.redeem("the-code") == WeChatUser(OPENID, "小明", "https://wx.qlogo.cn/1")

        assert [urlsplit(asked.line.split(" ")[1]).path for asked in peer.asked] == [
            "/sns/oauth2/access_token",
            "/sns/userinfo",
        ]

    async def test_does_not_ask_for_the_name_of_who_logged_in_silently(self, peer: Peer) -> None:
        peer.replies = [said(access_token="t", openid=OPENID, scope="snsapi_base")]
        async with a_login_client(peer.url) as client:
            assert await client.redeem("the-code") == WeChatUser(OPENID, "", "")

        assert len(peer.asked) == 1

    async def test_does_not_ask_who_a_snapshot_visitor_is(self, peer: Peer) -> None:
        peer.replies = [said(access_token="t", openid=OPENID, scope="snsapi_userinfo", is_snapshotuser=1)]
        async with a_login_client(peer.url) as client:
            user = await client.redeem("the-code")

        assert user.is_snapshot
        assert len(peer.asked) == 1

    async def test_with_a_used_code_is_refused(self, peer: Peer) -> None:
        peer.replies = [said(errcode=40163, errmsg="code been used")]
        async with a_login_client(peer.url) as client:
            with pytest.raises(LoginRefused) as caught:
                await client.redeem("the-code")
        assert caught.value.reason == "code_used"

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (said(errcode=-1, errmsg="system error"), "errcode_-1"),
            (http(b"<html>"), "malformed"),
            (http(status="503 Service Unavailable"), "http_503"),
            (b"", "RemoteProtocolError"),
        ],
    )
    async def test_without_a_believable_answer_is_unknown_and_says_no_secret(
        self, peer: Peer, reply: bytes, reason: str
    ) -> None:
        peer.replies = [reply]
        async with a_login_client(peer.url) as client:
            with pytest.raises(WeChatUnavailable) as caught:
                await client.redeem("the-code")
        assert caught.value.reason == reason
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    async def test_leaves_neither_secret_nor_code_nor_token_in_the_log(
        self, peer: Peer, caplog: pytest.LogCaptureFixture
    ) -> None:
        token = said(access_token="the-token", openid=OPENID, scope="snsapi_userinfo")
        peer.replies = [token, said(openid=OPENID, nickname="小明")]
        with caplog.at_level(logging.DEBUG):
            async with a_login_client(peer.url) as client:
                await client.redeem("the-code")

        assert not any(word in caplog.text for word in (SECRET, "the-code", "the-token", OPENID))

    @pytest.mark.parametrize("scope", list(Scope))
    async def test_starts_at_wechats_own_page(self, scope: Scope) -> None:
        async with a_login_client("http://127.0.0.1:9") as client:
            url = client.authorize_url(redirect_uri="https://pay.example.com/auth/callback", state="abc", scope=scope)

        assert url.startswith(
            "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx1&redirect_uri=https%3A%2F%2F"
        )
        assert url.endswith(f"&response_type=code&scope={scope}&state=abc#wechat_redirect")
