"""
The official account's access token, its jsapi_ticket, and what a page's JS-SDK is configured with.

The token is the account's own ("client credential"), not the one a login brings: the two never stand in for each other.

Source: WeChat Official Accounts, "get stable access token", and "JS-SDK" with its appendix on signing.
"""

import hashlib
from typing import Final
from urllib.parse import urlencode

import msgspec

from server.errors import WeChatUnavailable
from server.official_ports import Credential
from server.wechat import errcode

STABLE_TOKEN: Final = "stable_token"  # noqa: S105 - the name of a call
TICKET: Final = "ticket/getticket"
LONGEST_LIFE_S: Final = 7200


class _TokenAnswer(errcode.Answer):
    access_token: str = ""
    expires_in: int = 0


class _TicketAnswer(errcode.Answer):
    ticket: str = ""
    expires_in: int = 0


def stable_token_body(*, appid: str, secret: str, force: bool) -> bytes:
    """
    Return the body that asks for the token. It carries the secret: never log it.

    Args:
        force: Have WeChat make a new one; the old one is dead at once, everywhere.
    """
    asked = {"grant_type": "client_credential", "appid": appid, "secret": secret, "force_refresh": force}
    return msgspec.json.encode(asked)


def read_stable_token(body: bytes) -> Credential:
    """
    Read the answer to `stable_token_body`.

    Raises:
        WeChatRefused: The account's configuration is wrong: secret, appid, address of this server.
        WeChatUnavailable: No believable answer, or the quota is used up.
    """
    answer = errcode.decode(STABLE_TOKEN, body, _TokenAnswer)
    errcode.check(STABLE_TOKEN, answer)
    return _credential(STABLE_TOKEN, answer.access_token, answer.expires_in)


def ticket_path(access_token: str) -> str:
    """Return path and query that ask for the jsapi_ticket. They carry the token: never log them."""
    return f"/cgi-bin/{TICKET}?{urlencode({'access_token': access_token, 'type': 'jsapi'})}"


def read_ticket(body: bytes) -> Credential:
    """
    Read the answer to `ticket_path`.

    Raises:
        StaleToken, WeChatRefused, WeChatUnavailable: As for `errcode.check_with_token`.
    """
    answer = errcode.decode(TICKET, body, _TicketAnswer)
    errcode.check_with_token(TICKET, answer)
    return _credential(TICKET, answer.ticket, answer.expires_in)


def jssdk_signature(*, ticket: str, nonce: str, timestamp_s: int, url: str) -> str:
    """
    Return the signature of `wx.config`: SHA-1, hexadecimal, over raw values in this order and these spellings.

    Args:
        url: The page's whole address without its fragment, as the browser reports it.
    """
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp_s}&url={url}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _credential(call: str, value: str, expires_in_s: int) -> Credential:
    if not value or not value.isprintable() or not 0 < expires_in_s <= LONGEST_LIFE_S:
        raise WeChatUnavailable(call, "malformed")
    return Credential(value, expires_in_s)
