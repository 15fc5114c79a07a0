"""Access token, ticket and page signature, without a connection."""

import json

import msgspec
import pytest

from server.domain.money import Fen
from server.errors import StaleToken, WeChatRefused, WeChatUnavailable
from server.official_ports import Credential, MessageKind, PaidMessage, Template
from server.wechat import official_message, official_token

TICKET = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"


def said(**answer: object) -> bytes:
    return json.dumps(answer, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        ("http://mp.weixin.qq.com?params=value", "0f9de62fce790f9a083d5c99e95740ceb90c27ed"),
        ("http://mp.weixin.qq.com", "f4d90daf4b3bca3078ab155816175ba34c443a7b"),
    ],
)
def test_a_page_is_signed_as_in_the_published_example(url: str, signature: str) -> None:
    signed = official_token.jssdk_signature(ticket=TICKET, nonce="Wm3WZYTPz0wzccnW", timestamp_s=1414587457, url=url)
    assert signed == signature


def test_a_token_is_asked_for_in_the_body_alone() -> None:
    body = official_token.stable_token_body(appid="wx1", secret="s", force=False)
    assert msgspec.json.decode(body) == {
        "grant_type": "client_credential",
        "appid": "wx1",
        "secret": "s",
        "force_refresh": False,
    }


def test_token_and_ticket_are_read_and_do_not_show_themselves() -> None:
    token = official_token.read_stable_token(said(access_token="the-token", expires_in=7200))
    ticket = official_token.read_ticket(said(errcode=0, errmsg="ok", ticket="the-ticket", expires_in=7100))

    assert (token, ticket) == (Credential("the-token", 7200), Credential("the-ticket", 7100))
    assert "the-" not in repr((token, ticket))


@pytest.mark.parametrize("errcode", [40001, 40013, 40125, 40164, 40243, 41002, 41004, 48001])
def test_a_token_that_is_refused_for_good_says_why(errcode: int) -> None:
    with pytest.raises(WeChatRefused) as caught:
        official_token.read_stable_token(said(errcode=errcode, errmsg="no"))
    assert caught.value.code == str(errcode)


@pytest.mark.parametrize("errcode", [-1, 45009, 45011, 1])
def test_a_busy_wechat_or_a_used_up_quota_is_unknown(errcode: int) -> None:
    with pytest.raises(WeChatUnavailable) as caught:
        official_token.read_stable_token(said(errcode=errcode, errmsg="no"))
    assert caught.value.reason == f"errcode_{errcode}"


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_call_with_a_token_that_is_not_valid_asks_for_a_new_one(errcode: int) -> None:
    with pytest.raises(StaleToken):
        official_token.read_ticket(said(errcode=errcode, errmsg="invalid credential"))
    with pytest.raises(StaleToken):
        official_message.check_sent(MessageKind.TEMPLATE, said(errcode=errcode, errmsg="invalid credential"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        said(access_token="t"),
        said(access_token="", expires_in=7200),
        said(access_token="t\n", expires_in=7200),
        said(access_token="t", expires_in=0),
        said(access_token="t", expires_in=10**9),
        said(access_token="t", expires_in="7200"),
    ],
)
def test_what_is_no_token_is_unknown(body: bytes) -> None:
    with pytest.raises(WeChatUnavailable) as caught:
        official_token.read_stable_token(body)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("errcode", [40003, 40037, 43004, 43101, 47003])
def test_a_message_that_nobody_will_ever_get_is_refused(errcode: int) -> None:
    with pytest.raises(WeChatRefused):
        official_message.check_sent(MessageKind.SUBSCRIBE, said(errcode=errcode, errmsg="no"))


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        (MessageKind.TEMPLATE, {"url": "https://x/", "client_msg_id": "7"}),
        (MessageKind.SUBSCRIBE, {"page": "https://x/"}),
        (MessageKind.MINIPROGRAM, {}),
    ],
)
def test_a_message_carries_what_its_kind_has_and_fields_cut_to_what_wechat_takes(
    kind: MessageKind, about: dict[str, str]
) -> None:
    message = PaidMessage(
        openid="o1",
        url="https://x/",
        client_msg_id="7",
        title="长" * 21,
        payer="",
        amount=Fen(1805),
        paid_shares=2,
        shares=3,
        paid_at_ms=1795249454000,
    )
    fields = {"thing1": "title", "name2": "payer", "amount3": "amount", "thing4": "progress", "time5": "paid_at"}
    assert msgspec.json.decode(official_message.message_body(message, Template(kind, "t", fields))) == {
        "touser": "o1",
        "template_id": "t",
        **about,
        "data": {
            "thing1": {"value": "长" * 19 + "…"},
            "name2": {"value": "微信用户"},
            "amount3": {"value": "¥18.05"},
            "thing4": {"value": "2/3"},
            "time5": {"value": "2026-11-21 16:24:14"},
        },
    }
