"""
Who is asking: sessions of browsers, bearer tokens of apps and servers.

Both are the same signed value, under two names, so that one can never pass for the other. A browser may hold several
sessions at once, one per person (that is how one browser plays initiator and friend against the simulator): each has a
cookie of its own, named by its `slot`, and a page says with `X-Daifu-Viewer` or `?viewer=` which one it speaks for.

A browser outside WeChat cannot log in. Its viewer is a guest: a random name in a cookie of its own, which proves that
two requests come from one browser and nothing else.
"""

import hashlib
import hmac
import zlib
from collections.abc import Callable, Sequence
from secrets import token_urlsafe
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from pydantic import SecretStr
from tornado.httputil import HTTPServerRequest, parse_cookie
from tornado.web import create_signed_value, decode_signed_value

from server.domain.events import GUEST, Person
from server.ports import Scope

COOKIE: Final = "daifu_session"
BEARER: Final = "daifu_bearer"
GUEST_COOKIE: Final = "daifu_guest"
GUEST_SLOT: Final = "guest"
WATCH: Final = "daifu_watch"
WATCH_TTL_S: Final = 600
LOGIN: Final = "daifu_login"
OPERATOR: Final = "daifu_operator"
LOGIN_TTL_S: Final = 600
_SLOT_LENGTH: Final = 12


T = TypeVar("T")


class Session(Struct, frozen=True):
    """A person who logged in."""

    person: Person

    @property
    def slot(self) -> str:
        """A short name for this person's cookie; tells nothing about him."""
        return hashlib.sha256(b"slot:" + self.person.openid.encode()).hexdigest()[:_SLOT_LENGTH]


class WatchTicket(Struct, frozen=True):
    """The right of one person to watch one order until `until_s` (Unix seconds)."""

    person: Person
    order_id: str
    until_s: int


class LoginTicket(Struct, frozen=True):
    """What a browser keeps while it is away at WeChat's login: where it wanted to go, and what WeChat was asked for."""

    next_path: str
    scope: Scope


class Sessions:
    """Seals and opens sessions. The first secret signs, all verify."""

    def __init__(self, secrets: Sequence[SecretStr], *, ttl_s: int, secure: bool, now_s: Callable[[], float]) -> None:
        # `__Host-` makes the browser itself refuse the cookie from a sub-domain or over plain http.
        self._prefix = "__Host-" if secure else ""
        keys = [secret.get_secret_value() for secret in secrets]
        self._secure = secure
        self._first_key = keys[0].encode()
        self.ttl_s = ttl_s
        self._now_s = now_s
        # A key keeps its version when others come and go before it in the list.
        self._keys = {zlib.crc32(hashlib.sha256(key.encode()).digest()): key for key in keys}
        self._newest = next(iter(self._keys))

    def cookie_name(self, slot: str = "") -> str:
        """Return the name of this person's cookie, or of the one that says who logged in last."""
        return f"{self._prefix}{COOKIE}_{slot}" if slot else self._prefix + COOKIE

    def cookie(self, session: Session) -> str:
        """Return the cookie's value for this session."""
        return self._sign(COOKIE, msgspec.json.encode(session).decode())

    def token(self, session: Session) -> str:
        """Return a bearer token for this session."""
        return self._sign(BEARER, msgspec.json.encode(session).decode())

    def of(self, request: HTTPServerRequest) -> Session | None:
        """
        Return who sent this request, or None.

        A bearer token speaks alone: a request that carries a bad one is nobody's, whatever its cookies say.
        """
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            scheme, _, value = authorization.partition(" ")
            return self._open(BEARER, value.strip()) if scheme.lower() == "bearer" else None
        cookie = parse_cookie(request.headers.get("Cookie", "")).get(self.cookie_name(_slot_of(request)))
        return self._open(COOKIE, cookie) if cookie is not None else None

    def visitor_of(self, request: HTTPServerRequest) -> Session | None:
        """Return who sent this request, be it a guest: one who may look at orders and pay by a code or a link."""
        if "Authorization" not in request.headers and _slot_of(request) == GUEST_SLOT:
            return self.guest_of(request)
        return self.of(request)

    @property
    def guest_cookie_name(self) -> str:
        return self._prefix + GUEST_COOKIE

    def guest_of(self, request: HTTPServerRequest) -> Session | None:
        """Return the guest this browser is, whoever the request speaks for; None if it has not been one yet."""
        cookie = request.cookies.get(self.guest_cookie_name)
        return self._open(GUEST_COOKIE, cookie.value) if cookie is not None else None

    def new_guest(self) -> Session:
        """Return a guest nobody has been before."""
        return Session(Person(GUEST + token_urlsafe(16), ""))

    def guest_cookie(self, guest: Session) -> str:
        """Return the cookie's value for this guest."""
        return self._sign(GUEST_COOKIE, msgspec.json.encode(guest).decode())

    def watch_token(self, session: Session, order_id: str) -> str:
        """Return a bearer token that is good for watching this one order, for `WATCH_TTL_S`."""
        ticket = WatchTicket(session.person, order_id, int(self._now_s()) + WATCH_TTL_S)
        return self._sign(WATCH, msgspec.json.encode(ticket).decode())

    def watcher_of(self, request: HTTPServerRequest, order_id: str) -> WatchTicket | None:
        """Return who may watch this order with this request: a visitor, or somebody with a token for it."""
        session = self.visitor_of(request)
        if session is not None:
            return WatchTicket(session.person, order_id, int(self._now_s()) + self.ttl_s)
        _, _, token = request.headers.get("Authorization", "").partition(" ")
        ticket = self._decode(WATCH, token.strip(), WatchTicket, ttl_s=WATCH_TTL_S)
        return ticket if ticket is not None and ticket.order_id == order_id else None

    def login_cookie_name(self, state: str) -> str:
        """Return the name of the cookie that holds the ticket of the login with this state."""
        return f"{self._prefix}{LOGIN}_{state}"

    def login_cookie(self, ticket: LoginTicket) -> str:
        """Return the cookie's value for this ticket."""
        return self._sign(LOGIN, msgspec.json.encode(ticket).decode())

    def login_ticket(self, cookie: str) -> LoginTicket | None:
        """Return the ticket in this cookie, or None if it is not ours or too old."""
        return self._decode(LOGIN, cookie, LoginTicket, ttl_s=LOGIN_TTL_S)

    @property
    def operator_cookie_name(self) -> str:
        return self._prefix + OPERATOR

    @property
    def operator_cookie_attributes(self) -> dict[str, Any]:
        """No other site gets the browser to send it, not even by a link."""
        return {"path": "/", "httponly": True, "secure": self._secure, "samesite": "Strict"}

    def mark_of(self, password: bytes) -> str:
        """Return what an operator's cookie says of the password: who reads the cookie learns nothing of it."""
        return hmac.new(self._first_key, b"operator:" + password, hashlib.sha256).hexdigest()

    def operator_cookie(self, mark: str) -> str:
        """Return the cookie's value for an operator whose password has this mark."""
        return self._sign(OPERATOR, mark)

    def operator_mark_of(self, request: HTTPServerRequest, *, ttl_s: int) -> str | None:
        """Return the mark in this request's operator cookie, None without one that is ours and young enough."""
        cookie = request.cookies.get(self.operator_cookie_name)
        return self._verify(OPERATOR, cookie.value, ttl_s=ttl_s) if cookie is not None else None

    def _open(self, name: str, value: str) -> Session | None:
        return self._decode(name, value, Session, ttl_s=self.ttl_s)

    def _decode(self, name: str, value: str, kind: type[T], *, ttl_s: int) -> T | None:
        data = self._verify(name, value, ttl_s=ttl_s)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError:
            return None

    def _sign(self, name: str, data: str) -> str:
        return create_signed_value(self._keys, name, data, clock=self._now_s, key_version=self._newest).decode()

    def _verify(self, name: str, value: str, *, ttl_s: int) -> str | None:
        if f"|{len(name)}:{name}|" not in value:
            return None  # signed under another name, if at all: that costs no signature to see
        # Tornado's older format knows no key versions: a value of that form is nothing we signed.
        data = decode_signed_value(
            self._keys, name, value, max_age_days=ttl_s / 86400, clock=self._now_s, min_version=2
        )
        return data.decode() if data is not None else None


def _slot_of(request: HTTPServerRequest) -> str:
    return request.headers.get("X-Daifu-Viewer") or _last(request.query_arguments.get("viewer"))


def _last(values: list[bytes] | None) -> str:
    return values[-1].decode("ascii", "replace") if values else ""
