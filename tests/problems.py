"""The one shape of every API error, as a client reads it."""

from typing import Any

import httpx


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the error's detail; the answer must be this status and code in the one shape, and tell nothing else."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message", "detail"}
    assert body["error"]["code"] == code, answer.text
    assert body["error"]["message"]
    assert "Traceback" not in answer.text
    detail: dict[str, Any] = body["error"]["detail"]
    return detail
