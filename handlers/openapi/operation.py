"""
What is said of one operation: its address, who may ask, what goes in, what comes out, and every error it may answer.

Nothing here checks a request or makes an answer: `body` and `answer` are the types that do.
"""

from typing import Any, Final, Literal

from msgspec import Struct

from handlers.base import ORDER_ID
from handlers.requests import MAX_KEY

# Who may ask; the names are those of the document's security schemes.
Proof = Literal["session", "guest", "token", "watch_token", "merchant_key", "operator"]

PERSON: Final[tuple[Proof, ...]] = ("session", "token")
VISITOR: Final[tuple[Proof, ...]] = ("session", "guest", "token")
WATCHER: Final[tuple[Proof, ...]] = ("session", "guest", "token", "watch_token")
MERCHANT: Final[tuple[Proof, ...]] = ("merchant_key",)
OPERATOR: Final[tuple[Proof, ...]] = ("operator",)
ANYBODY: Final[tuple[Proof, ...]] = ()

JSON: Final = "application/json"


class Problem(Struct, frozen=True):
    """An error's HTTP status and code."""

    status: int
    code: str


class Parameter(Struct, frozen=True):
    """`schema` is JSON Schema."""

    name: str
    place: Literal["path", "query", "header"]
    what: str
    schema: dict[str, Any]


class Operation(Struct, frozen=True, kw_only=True):
    """
    One method of one path.

    Args:
        path: With its variable parts in braces, each of them a key of `PATH_PARAMETERS`.
        status: Of the answer when all went well; 204 has no body.
        answer: The type of a JSON answer; another `media` is described by its name alone.
        location: The answer's `Location` names what was made.
    """

    method: Literal["get", "post"]
    path: str
    tag: str
    summary: str
    description: str = ""
    proofs: tuple[Proof, ...]
    parameters: tuple[Parameter, ...] = ()
    body: type[Struct] | None = None
    is_body_optional: bool = False
    status: int = 200
    answer: type[Struct] | None = None
    media: tuple[str, ...] = (JSON,)
    location: bool = False
    problems: tuple[Problem, ...] = ()


PATH_PARAMETERS: Final = {
    "order_id": Parameter("order_id", "path", "The order's id.", {"type": "string", "pattern": f"^{ORDER_ID}$"}),
    "out_trade_no": Parameter("out_trade_no", "path", "The payment's number.", {"type": "string"}),
    "kind": Parameter("kind", "path", "Which picture.", {"type": "string", "enum": ["svg", "png"]}),
    "number": Parameter(
        "number", "path", "An order's id, a payment's out_trade_no or a refund's out_refund_no.", {"type": "string"}
    ),
}
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "The same key with the same body is the same request, sent again; with another body it is refused.",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
)

BAD_REQUEST: Final = Problem(400, "bad_request")
NOT_LOGGED_IN: Final = Problem(401, "not_logged_in")
ORDER_NOT_FOUND: Final = Problem(404, "order_not_found")
TOO_MANY: Final = Problem(429, "too_many_requests")
STORE: Final = Problem(503, "store_unavailable")
IDEMPOTENCY: Final = Problem(409, "idempotency_mismatch")
TRANSITION: Final = Problem(409, "transition_not_possible")
TOO_MUCH_REFUND: Final = (Problem(409, "refund_too_large"), Problem(409, "too_many_refunds"))

# What a request with a body may meet before anybody reads it.
WRITE: Final = (
    BAD_REQUEST,
    Problem(403, "foreign_origin"),
    Problem(413, "payload_too_large"),
    Problem(415, "json_required"),
)
WECHAT: Final = (Problem(502, "wechat_unavailable"), Problem(502, "wechat_refused"))
WATCHING: Final = (Problem(429, "too_many_watchers"), Problem(503, "too_many_watchers"))
