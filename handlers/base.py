"""What every handler shares: who asks, in which language, and how an error is told."""

import re
from asyncio import Future
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler, stream_request_body

from handlers.auth import Session
from handlers.front.exchange import Exchange
from handlers.problems import ApiError, describe
from handlers.replies import (
    Reply,
    common_headers,
    json_reply,
    language_of,
    log_failure,
    name_in_logs,
    new_request_id,
    problem_reply,
)
from handlers.requests import MAX_KEY, clean_text
from handlers.texts import Language
from handlers.web import Web
from server.errors import OrderNotFound
from server.usecases.idempotency import Idempotency
from settings import Settings

ORDER_ID: Final = r"[0-9A-HJKMNP-TV-Z]{26}"

_ORDER_ID: Final = re.compile(ORDER_ID)

MAX_DROPPED_BYTES: Final = 4 * 1024 * 1024


class BaseHandler(RequestHandler):
    """A request with the services at hand. Subclasses call use cases; errors become JSON here and nowhere else."""

    def initialize(self, web: Web) -> None:
        self.web = web
        self.services = web.services
        self.sessions = web.sessions
        self.desk = web.desk
        self.in_flight = web.in_flight
        web.in_flight.begin()
        name_in_logs(self.request_id, self.request.path)

    @cached_property
    def request_id(self) -> str:
        """What this request is called in logs and in its answer."""
        return new_request_id()

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "Future[None]":
        if self.in_flight.is_draining:
            # The request may have come before the drain, and then Tornado means to keep its connection.
            self.set_header("Connection", "close")
        return super().finish(chunk)

    def on_finish(self) -> None:
        self.in_flight.end()

    def set_default_headers(self) -> None:
        for name, value in common_headers(self.request_id).items():
            self.set_header(name, value)

    @property
    def language(self) -> Language:
        return language_of(self.request)

    @property
    def client_ip(self) -> str:
        """The asker's address; X-Forwarded-For is believed only from a proxy named in the settings."""
        return client_ip_of(self.request, self.services.settings)

    def session(self) -> Session:
        """
        Return who asks.

        Raises:
            ApiError: 401, nobody we know.
        """
        session = self.sessions.of(self.request)
        if session is None:
            raise ApiError(401, "not_logged_in")
        return session

    def visitor(self) -> Session:
        """
        Return who asks, be it a guest.

        Raises:
            ApiError: 401, nobody we know.
        """
        visitor = self.sessions.visitor_of(self.request)
        if visitor is None:
            raise ApiError(401, "not_logged_in")
        return visitor

    def guard_write(self) -> None:
        """
        Let only our own pages (or a bearer, who is no browser) change anything.

        Raises:
            ApiError: 415 without a JSON body, 403 from a foreign page.
        """
        content_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise ApiError(415, "json_required")
        origin = self.request.headers.get("Origin")
        if origin is not None and not is_own_origin(origin, self.services.settings):
            raise ApiError(403, "foreign_origin")
        site = self.request.headers.get("Sec-Fetch-Site", "same-origin")
        if origin is None and site not in ("same-origin", "none"):
            raise ApiError(403, "foreign_origin")

    def idempotency_key(self) -> str | None:
        """
        Return the Idempotency-Key, if one was sent.

        Raises:
            BadRequest: It is not a short line of text.
        """
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return None
        return clean_text(key, "Idempotency-Key", max_length=MAX_KEY, required=True, lines="one")

    def idempotency(self) -> Idempotency | None:
        """Return the Idempotency-Key and what it was sent with; raises as `idempotency_key`."""
        key = self.idempotency_key()
        return None if key is None else Idempotency(key, self.request.body)

    def answer(self, value: object, *, status: int = 200) -> None:
        """Send this value as JSON."""
        self.send(json_reply(value, status=status))

    def send(self, reply: Reply) -> None:
        """Send this reply."""
        self.set_status(reply.status)
        if reply.content_type:
            self.set_header("Content-Type", reply.content_type)
        self.finish(reply.body or None)  # not even an empty piece goes with a 204

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        status, code, detail = describe(error, status_code)
        if "retry_after_s" in detail:
            self.set_header("Retry-After", str(detail["retry_after_s"]))
        self.send_problem(status, code, detail)

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        """Answer an error; pages override this to show one."""
        self.send(problem_reply(status, code, detail, self.language))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        log_failure(self.request.path, value)


@stream_request_body
class TooLargeHandler(BaseHandler):
    """A body beyond every limit of ours: it is read and dropped, so that the sender gets to hear the answer."""

    def prepare(self) -> None:
        if isinstance(self.request.connection, HTTP1Connection | Exchange):
            self.request.connection.set_max_body_size(MAX_DROPPED_BYTES)

    def data_received(self, chunk: bytes) -> None:
        """Dropped."""

    def get(self, *args: str) -> None:
        raise ApiError(413, "payload_too_large")

    head = post = delete = patch = put = options = get


class NotFoundHandler(BaseHandler):
    """Every address for programs that has no route."""

    def prepare(self) -> None:
        raise ApiError(404, "not_found")


def is_order_id(text: str) -> bool:
    """Has it the form of an order's id?"""
    return _ORDER_ID.fullmatch(text) is not None


def checked_order_id(order_id: str) -> str:
    """
    Return the id if it can be one.

    Raises:
        OrderNotFound: It has not the form of an order's id, so there is no use in asking the store.
    """
    if not is_order_id(order_id):
        raise OrderNotFound(order_id[:32])
    return order_id


def is_own_origin(origin: str, settings: Settings) -> bool:
    """Is this page one of ours, or of a site the settings list?"""
    return origin == settings.origin or origin in settings.allowed_origins


def client_ip_of(request: HTTPServerRequest, settings: Settings) -> str:
    """Return the asker's address; X-Forwarded-For is believed only from a proxy named in the settings."""
    return forwarded_ip(request.remote_ip or "", request.headers.get("X-Forwarded-For", ""), settings.trusted_proxies)


def forwarded_ip(peer: str, forwarded_for: str, trusted_proxies: tuple[str, ...]) -> str:
    """
    Return the nearest address that is not a proxy of ours.

    Read from the right: only what our own proxies wrote can be believed, whatever a client put before it.
    """
    if not trusted_proxies:
        return peer
    networks = [ip_network(network, strict=False) for network in trusted_proxies]
    address = peer
    for hop in reversed(forwarded_for.split(",")):
        try:
            current = ip_address(address)
        except ValueError:
            break
        if not any(current in network for network in networks):
            break
        address = hop.strip() or address
    try:
        return str(ip_address(address))
    except ValueError:
        return peer


def is_own_path(path: str) -> bool:
    """Is this a path of ours to go back to after a login, and nothing that a browser reads as another site?"""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or any(c in path for c in "\\\r\n\t\x00"):
        return False
    parts = urlsplit(path)
    return not parts.scheme and not parts.netloc and all(c.isprintable() for c in path)


def login_path(next_path: str) -> str:
    """Return where a browser logs in and then comes back to `next_path`."""
    return "/auth/login?next=" + quote(next_path, safe="")
