"""What every handler shares: who asks, in which language, and how an error becomes an answer."""

import asyncio
import re
from ipaddress import ip_address, ip_network
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from msgspec import Struct
from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, stream_request_body

from handlers.auth import Session, Sessions
from handlers.requests import BadRequest
from handlers.texts import Language, preferred_language, text
from server.bootstrap import Services
from server.errors import (
    AmountMismatch,
    ConfigError,
    IdempotencyMismatch,
    IllegalTransition,
    LoginError,
    OrderError,
    OrderNotFound,
    OrderNotPayable,
    PayerMismatch,
    PayError,
    ShareLeased,
    StoreError,
    TooManyAttempts,
    UnknownAttempt,
    WeChatError,
    WeChatRefused,
)
from settings import Settings

log = structlog.get_logger()

_ORDER_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

# Nearest class first. A bug is in no row and stays a 500.
STATUS: Final[tuple[tuple[type[PayError], int, str], ...]] = (
    (OrderNotFound, 404, "order_not_found"),
    (UnknownAttempt, 404, "order_not_found"),
    (OrderNotPayable, 409, "order_not_payable"),
    (ShareLeased, 409, "share_leased"),
    (TooManyAttempts, 409, "too_many_attempts"),
    (IdempotencyMismatch, 409, "idempotency_mismatch"),
    (AmountMismatch, 409, "amount_mismatch"),
    (PayerMismatch, 409, "payer_mismatch"),
    (IllegalTransition, 409, "transition_not_possible"),
    (OrderError, 409, "order_conflict"),
    (WeChatRefused, 502, "wechat_refused"),
    (WeChatError, 502, "wechat_unavailable"),
    (LoginError, 400, "login_failed"),
    (StoreError, 503, "store_unavailable"),
    (ConfigError, 500, "internal"),
    (PayError, 500, "internal"),
)

MAX_DROPPED_BYTES: Final = 4 * 1024 * 1024

# What an error may tell of itself to a client.
_PUBLIC_FACTS: Final = ("order_id", "state", "retry_after_s", "limit", "code")

_encode = msgspec.json.Encoder().encode


class ApiError(HTTPError):
    """An answer with this status and error code."""

    def __init__(self, status: int, code: str, **detail: object) -> None:
        super().__init__(status)
        self.code = code
        self.detail = detail


class InFlight:
    """Counts requests that have no answer yet, so that going down can wait for them."""

    def __init__(self) -> None:
        self._count = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def begin(self) -> None:
        self._count += 1
        self.idle.clear()

    def end(self) -> None:
        self._count -= 1
        if self._count == 0:
            self.idle.set()


class BaseHandler(RequestHandler):
    """A request with the services at hand. Subclasses call use cases; errors become JSON here and nowhere else."""

    services: Services
    sessions: Sessions

    def initialize(self, services: Services, sessions: Sessions, in_flight: InFlight) -> None:
        self.services = services
        self.sessions = sessions
        self._in_flight = in_flight
        in_flight.begin()

    def on_finish(self) -> None:
        self._in_flight.end()

    def set_default_headers(self) -> None:
        self.set_header("Server", "daifu")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    @property
    def language(self) -> Language:
        return preferred_language(self.request.headers.get("Accept-Language", ""), self.get_cookie("lang"))

    @property
    def client_ip(self) -> str:
        """The asker's address; X-Forwarded-For is believed only from a proxy named in the settings."""
        return forwarded_ip(
            self.request.remote_ip or "",
            self.request.headers.get("X-Forwarded-For", ""),
            self.services.settings.trusted_proxies,
        )

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

    def answer(self, value: object, *, status: int = 200) -> None:
        """Send this value as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(_encode(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        status, code, detail = describe(error, status_code)
        if "retry_after_s" in detail:
            self.set_header("Retry-After", str(detail["retry_after_s"]))
        self.send_problem(status, code, detail)

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        """Answer an error; pages override this to show one."""
        error = ErrorBody(code=code, message=text(code, self.language, detail), detail=detail)
        self.answer({"error": error}, status=status)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, HTTPError | BadRequest):
            return
        if isinstance(value, PayError):
            log.warning("refused", path=self.request.path, error=type(value).__name__, reason=str(value))
        else:
            log.error("bug", path=self.request.path, exc_info=(typ, value, tb))


class ErrorBody(Struct, frozen=True):
    code: str
    message: str
    detail: dict[str, object]


@stream_request_body
class TooLargeHandler(BaseHandler):
    """A body beyond every limit of ours: it is read and dropped, so that the sender gets to hear the answer."""

    def prepare(self) -> None:
        if isinstance(self.request.connection, HTTP1Connection):
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


def describe(error: BaseException | None, status: int) -> tuple[int, str, dict[str, object]]:
    """Return status, code and public detail of an error."""
    if isinstance(error, BadRequest):
        return 400, "bad_request", error.detail
    if isinstance(error, ApiError):
        return error.status_code, error.code, error.detail
    if isinstance(error, PayError):
        for kind, kind_status, code in STATUS:
            if isinstance(error, kind):
                facts = {name: getattr(error, name) for name in _PUBLIC_FACTS if hasattr(error, name)}
                return kind_status, code, facts
    codes = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large", 403: "foreign_origin"}
    if status in codes:
        return status, codes[status], {}
    if status == 400:  # Tornado could not read the address or the body
        return status, "bad_request", {"field": "request", "reason": "unreadable"}
    return status, "internal", {}


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


def forwarded_ip(peer: str, forwarded_for: str, trusted_proxies: tuple[str, ...]) -> str:
    """
    Return the nearest address that is not a proxy of ours.

    Read from the right: only what our own proxies wrote can be believed, whatever a client put before it.
    """
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
