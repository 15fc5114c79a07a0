"""An answer as a value, so that whatever serves a route sends the same, and what every answer says besides."""

import re
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from handlers.problems import ErrorBody
from handlers.requests import BadRequest
from handlers.texts import Language, preferred_language, text
from server.errors import PayError

JSON: Final = "application/json; charset=utf-8"
_ORDER_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

_encode = msgspec.json.Encoder().encode

log = structlog.get_logger()


class Reply(NamedTuple):
    """Without a body there is no `content_type`."""

    status: int
    body: bytes = b""
    content_type: str = ""


Send = Callable[[Reply], None]


def json_reply(value: object, *, status: int = 200) -> Reply:
    """Return this value as JSON."""
    return Reply(status, _encode(value), JSON)


def problem_reply(status: int, code: str, detail: dict[str, object], language: Language) -> Reply:
    """Return the one shape of every error of the API."""
    error = ErrorBody(code=code, message=text(code, language, detail), detail=detail)
    return json_reply({"error": error}, status=status)


def new_request_id() -> str:
    """Return what a request is called in logs and in its answer."""
    return secrets.token_hex(6)


def common_headers(request_id: str) -> dict[str, str]:
    """Return what every answer says."""
    return {
        "Server": "daifu",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
        "X-Request-Id": request_id,
    }


def language_of(request: HTTPServerRequest) -> Language:
    """Return the language the asker reads."""
    chosen = request.cookies.get("lang")
    return preferred_language(request.headers.get("Accept-Language", ""), chosen.value if chosen is not None else None)


def name_in_logs(request_id: str, path: str) -> None:
    """Let every line that this request writes say which one it was, and of which order."""
    order_id = _ORDER_ID.search(path)
    clear_contextvars()
    bind_contextvars(request_id=request_id, **({"order_id": order_id[0]} if order_id else {}))


def log_failure(path: str, error: BaseException | None) -> None:
    """Log what kept a request from its answer: a line for what is refused below, a traceback for a bug."""
    if isinstance(error, HTTPError | BadRequest):
        return
    if isinstance(error, PayError):
        log.warning("refused", path=path, error=type(error).__name__, reason=str(error))
    else:
        log.error("bug", path=path, exc_info=error)
