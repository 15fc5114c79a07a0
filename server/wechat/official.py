"""
WeChat's login for an official account (OAuth2 in WeChat's own browser): what to ask and what the answers mean.

Source: WeChat Official Accounts, "web authorization".
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from server.errors import LoginRefused, WeChatUnavailable
from server.ports import Scope, WeChatUser
from server.wechat import errcode

_STATE: Final = re.compile(r"[a-zA-Z0-9]{1,128}")
_OPENID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")

REDEEM: Final = "oauth2/access_token"
USERINFO: Final = "userinfo"

# The person has to log in again, or cannot; the words go to the page.
_LOGIN_REFUSED: Final = {
    (REDEEM, 40029): "code_invalid",
    (REDEEM, 40163): "code_used",
    (REDEEM, 42003): "code_expired",
    (REDEEM, 41008): "code_missing",
    (REDEEM, 40226): "blocked",
    (USERINFO, 40001): "token_invalid",
    (USERINFO, 40003): "openid_invalid",
    (USERINFO, 40014): "token_invalid",
    (USERINFO, 42001): "token_expired",
    (USERINFO, 42007): "token_expired",
    (USERINFO, 43004): "must_follow",
}


@dataclass(frozen=True, slots=True)
class UserToken:
    """A token for one person's data, good for `/sns/` alone; not the account's own access_token."""

    access_token: str = field(repr=False)
    openid: str = field(repr=False)
    is_snapshot: bool
    opens_name: bool


class _Answer(errcode.Answer):
    access_token: str = ""
    openid: str = ""
    scope: str = ""
    is_snapshotuser: int = 0
    nickname: str = ""
    headimgurl: str = ""


def authorize_url(base_url: str, *, appid: str, redirect_uri: str, state: str, scope: Scope) -> str:
    """
    Return where to send the browser. WeChat wants the parameters in exactly this order, and the fragment.

    Raises:
        ValueError: `state` is not 1 to 128 letters and digits; WeChat would not return it unchanged.
    """
    if not _STATE.fullmatch(state):
        raise ValueError("state must be 1 to 128 ASCII letters and digits")
    return (
        f"{base_url}/connect/oauth2/authorize?appid={quote(appid, safe='')}&redirect_uri={quote(redirect_uri, safe='')}"
        f"&response_type=code&scope={scope}&state={state}#wechat_redirect"
    )


def access_token_path(*, appid: str, secret: str, code: str) -> str:
    """Return path and query that redeem a code. They carry the secret: never log them."""
    query = {"appid": appid, "secret": secret, "code": code, "grant_type": "authorization_code"}
    return f"/sns/{REDEEM}?{urlencode(query)}"


def userinfo_path(token: UserToken) -> str:
    """Return path and query that ask who somebody is. They carry the token: never log them."""
    query = {"access_token": token.access_token, "openid": token.openid, "lang": "zh_CN"}
    return f"/sns/{USERINFO}?{urlencode(query)}"


def read_access_token(body: bytes) -> UserToken:
    """
    Read the answer to `access_token_path`.

    Raises:
        LoginRefused: The code is wrong, used or too old.
        WeChatRefused: The account's configuration is wrong.
        WeChatUnavailable: No believable answer.
    """
    answer = _read(REDEEM, body)
    if not answer.access_token or not _OPENID.fullmatch(answer.openid):
        raise WeChatUnavailable(REDEEM, "malformed")
    return UserToken(
        answer.access_token,
        answer.openid,
        is_snapshot=answer.is_snapshotuser == 1,
        opens_name=Scope.USERINFO in answer.scope.split(","),
    )


def read_userinfo(body: bytes, token: UserToken) -> WeChatUser:
    """
    Read the answer to `userinfo_path`; the `openid` must be the one the code was for.

    Raises:
        LoginRefused, WeChatRefused, WeChatUnavailable: As for `read_access_token`.
    """
    answer = _read(USERINFO, body)
    if answer.openid != token.openid:
        raise WeChatUnavailable(USERINFO, "openid")
    avatar = answer.headimgurl if answer.headimgurl.startswith(("https://", "http://")) else ""
    return WeChatUser(token.openid, answer.nickname, avatar)


def nameless_user(token: UserToken) -> WeChatUser:
    """Return whose token this is; in snapshot mode his openid is made up and cannot pay."""
    return WeChatUser(token.openid, "", "", is_snapshot=token.is_snapshot)


def _read(call: str, body: bytes) -> _Answer:
    answer = errcode.decode(call, body, _Answer)
    if (call, answer.errcode) in _LOGIN_REFUSED:
        raise LoginRefused(_LOGIN_REFUSED[call, answer.errcode])
    errcode.check(call, answer)
    return answer
