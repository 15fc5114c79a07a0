"""The OpenAPI 3.1 document, made from the table of operations and the types that read requests and shape answers."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

from handlers.openapi import operators, people, servers
from handlers.openapi.operation import JSON, PATH_PARAMETERS, Operation, Parameter, Problem, Proof
from handlers.problems import ErrorBody

VERSION: Final = "1.0"  # the API's: its first number rises when something is taken away

OPERATIONS: Final[tuple[Operation, ...]] = (
    *people.LOGIN,
    *people.ORDERS,
    *people.PAYMENTS,
    *servers.ORDERS,
    *operators.DASHBOARD,
    *operators.KEEPERS,
)

TAGS: Final[Mapping[str, str]] = {
    "login": "Who is asking",
    "orders": "Orders, as their initiator and his friends see them",
    "payments": "A friend pays",
    "merchant": "The merchant's own server",
    "operator": "Who runs the server",
    "machines": "What watches over the server",
}

_DESCRIPTION: Final = """\
Money is in fen, times are Unix milliseconds. What changes something needs `Content-Type: application/json` and, when a
browser says where it comes from, a page of ours. Errors have one shape, in the language of `Accept-Language`.\
"""
_REF: Final = "#/components/schemas/{name}"


class ProblemAnswer(Struct, frozen=True):
    """Every error. `message` is for people, in their language; `code` is for programs."""

    error: ErrorBody


def openapi_document(*, origin: str, session_cookie: str, guest_cookie: str, operator_cookie: str) -> dict[str, Any]:
    """
    Return the document as plain JSON values.

    Args:
        origin: daifu's public address.
    """
    kinds = {kind for operation in OPERATIONS for kind in (operation.body, operation.answer) if kind is not None}
    ordered = sorted(kinds | {ProblemAnswer}, key=lambda kind: kind.__name__)
    references, schemas = msgspec.json.schema_components(ordered, schema_hook=_any_value, ref_template=_REF)
    found: dict[type[Struct], dict[str, Any]] = dict(zip(ordered, references, strict=True))
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method] = _operation(operation, found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "daifu", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": origin}],
        "tags": [{"name": name, "description": what} for name, what in TAGS.items()],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "securitySchemes": _security_schemes(session_cookie, guest_cookie, operator_cookie),
        },
    }


def _any_value(kind: type) -> dict[str, Any]:
    """
    Describe what msgspec cannot.

    Raises:
        NotImplementedError: By this msgspec hears that nor can we; it names the type then.
    """
    if kind is object:  # the facts of an error
        return {"description": "Any JSON value."}
    raise NotImplementedError


def _operation(operation: Operation, found: Mapping[type[Struct], dict[str, Any]]) -> dict[str, Any]:
    named = [PATH_PARAMETERS[name] for name in re.findall(r"{(\w+)}", operation.path)]
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "security": [{proof: []} for proof in operation.proofs],
        "parameters": [_parameter(parameter) for parameter in (*named, *operation.parameters)],
        "responses": {
            str(operation.status): _answer(operation, found),
            **_problems(operation.problems, found[ProblemAnswer]),
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.is_body_optional,
            "content": {JSON: {"schema": found[operation.body]}},
        }
    return {name: value for name, value in described.items() if value != ""}


def _operation_id(operation: Operation) -> str:
    return f"{operation.method}_{re.sub(r'[^a-z0-9]+', '_', operation.path).strip('_')}"


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.what,
        "schema": parameter.schema,
    }


def _answer(operation: Operation, found: Mapping[type[Struct], dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.location:
        answer["headers"] = {"Location": {"description": "What was made.", "schema": {"type": "string"}}}
    if operation.status != HTTPStatus.NO_CONTENT:
        shape = {} if operation.answer is None else {"schema": found[operation.answer]}
        answer["content"] = dict.fromkeys(operation.media, shape)
    return answer


def _problems(problems: Iterable[Problem], shape: Mapping[str, Any]) -> dict[str, Any]:
    codes: defaultdict[int, list[str]] = defaultdict(list)
    for problem in problems:
        codes[problem.status].append(problem.code)
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in codes[status]),
            "content": {
                JSON: {
                    "schema": {
                        **shape,
                        "properties": {"error": {"properties": {"code": {"enum": codes[status]}}}},
                    }
                }
            },
        }
        for status in sorted(codes)
    }


def _security_schemes(session_cookie: str, guest_cookie: str, operator_cookie: str) -> dict[Proof, dict[str, str]]:
    return {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": session_cookie,
            "description": "A browser that came through `/auth/login`.",
        },
        "guest": {
            "type": "apiKey",
            "in": "cookie",
            "name": guest_cookie,
            "description": "A browser outside WeChat that opened `/pay/<id>`, with `X-Daifu-Viewer: guest`.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "From `POST /api/token` or `POST /auth/miniprogram`.",
        },
        "watch_token": {
            "type": "http",
            "scheme": "bearer",
            "description": "From `POST /api/orders/{order_id}/watch-token`; good for watching that order.",
        },
        "merchant_key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of `MERCHANT_API_KEYS`, as `python run.py merchant-key` prints it.",
        },
        "operator": {
            "type": "apiKey",
            "in": "cookie",
            "name": operator_cookie,
            "description": "From `POST /admin/login`. Without `ADMIN_PASSWORD` this machine itself is let in.",
        },
    }
