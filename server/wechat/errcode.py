"""
How WeChat's official-account API answers: HTTP 200 also for errors, JSON labelled text/plain. Only `errcode` counts.

Source: WeChat Official Accounts, "global return codes".
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from server.errors import StaleToken, WeChatRefused, WeChatUnavailable

# Somebody has to change the configuration; asking again does not help.
CONFIGURATION: Final = frozenset({40001, 40013, 40125, 40164, 40243, 41001, 41002, 41004, 48001})
# Of a call that carries the account's access token: the token is not (or no longer) valid.
STALE_TOKEN: Final = frozenset({40001, 40014, 42001})


class Answer(Struct):
    """What every answer may have; 0 is success."""

    errcode: int = 0
    errmsg: str = ""


A = TypeVar("A", bound=Answer)


def decode(call: str, body: bytes, kind: type[A]) -> A:
    """
    Return the answer, whether it is an error or not.

    Raises:
        WeChatUnavailable: This is no answer of WeChat's.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WeChatUnavailable(call, "malformed") from None


def check(call: str, answer: Answer, *, final: frozenset[int] = CONFIGURATION) -> None:
    """
    Return if the answer is no error.

    Args:
        final: Codes that asking again does not change.

    Raises:
        WeChatRefused: One of `final`.
        WeChatUnavailable: Busy, over quota, or a code nobody has told us of.
    """
    code = answer.errcode
    if code in final:
        raise WeChatRefused(call, str(code), answer.errmsg[:128])
    if code:
        raise WeChatUnavailable(call, f"errcode_{code}")


def check_with_token(call: str, answer: Answer, *, final: frozenset[int] = CONFIGURATION) -> None:
    """
    Return if the answer to a call with an access token is no error.

    Raises:
        StaleToken: The token has to be renewed first.
        WeChatRefused, WeChatUnavailable: As for `check`.
    """
    if answer.errcode in STALE_TOKEN:
        raise StaleToken(call, str(answer.errcode))
    check(call, answer, final=final)
