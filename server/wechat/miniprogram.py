"""
A mini-program's login: a `js_code` from `wx.login` becomes an openid.

The `session_key` that comes with it could decrypt what WeChat gives a phone. Nothing here does: it is not even read.

Source: WeChat Mini Programs, "code2Session".
"""

import re
from typing import Final
from urllib.parse import urlencode

from server.errors import LoginRefused, WeChatUnavailable
from server.wechat import errcode

CODE2SESSION: Final = "jscode2session"

_OPENID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
_REFUSED: Final = {40029: "code_invalid", 40163: "code_used", 41008: "code_missing", 40226: "blocked"}


class _SessionAnswer(errcode.Answer):
    openid: str = ""


def code2session_path(*, appid: str, secret: str, js_code: str) -> str:
    """Return path and query that redeem a code. They carry the secret: never log them."""
    query = {"appid": appid, "secret": secret, "js_code": js_code, "grant_type": "authorization_code"}
    return f"/sns/{CODE2SESSION}?{urlencode(query)}"


def read_openid(body: bytes) -> str:
    """
    Return whose code it was, from the answer to `code2session_path`.

    Raises:
        LoginRefused: The code is wrong, used or too old, or WeChat blocks this person.
        WeChatRefused: The mini-program's configuration is wrong.
        WeChatUnavailable: No believable answer; the code may be spent.
    """
    answer = errcode.decode(CODE2SESSION, body, _SessionAnswer)
    if answer.errcode in _REFUSED:
        raise LoginRefused(_REFUSED[answer.errcode])
    errcode.check(CODE2SESSION, answer)
    if not _OPENID.fullmatch(answer.openid):
        raise WeChatUnavailable(CODE2SESSION, "malformed")
    return answer.openid
