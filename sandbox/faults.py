"""
What can be made to go wrong: a target, a kind, how many times, and the kind's parameters.

Notify kinds `forge` and `probe` are signed wrongly: a forged one stands in for WeChat's and so never counts as
delivered, a probe goes ahead of the true one. Content kinds (`amount`, `appid`, …) are signed rightly and count as
delivered when answered SUCCESS. Of the API kinds, `fail_before`, `status` and `error` leave the call without effect;
all others spoil only its answer.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

NOTIFY_TARGET: Final = "notify"
PAY_TARGETS: Final = ("unifiedorder", "orderquery", "closeorder")
OAUTH_TARGET: Final = "oauth"

Parameters = Mapping[str, tuple[type, ...]]

_NUMBER: Final = (int, float)
_WORDS: Final = (str,)
_WORDS_OR_FEN: Final = (str, int)

# kind -> (required parameters, optional parameters)
_NOTIFY_KINDS: Final[Mapping[str, tuple[Parameters, Parameters]]] = {
    "drop": ({}, {}),
    "delay": ({"delay_s": _NUMBER}, {}),
    "duplicate": ({"n": (int,)}, {}),
    "reorder": ({}, {}),
    "forge": ({}, {}),
    "probe": ({}, {}),
    "amount": ({}, {"total_fee": _WORDS_OR_FEN}),
    "appid": ({}, {"appid": _WORDS}),
    "mch_id": ({}, {"mch_id": _WORDS}),
    "openid": ({}, {"openid": _WORDS}),
    "out_trade_no": ({}, {"out_trade_no": _WORDS}),
    "unknown_fields": ({}, {}),
    "coupon": ({}, {"coupon_fee": (int,)}),
    "sign_type": ({}, {"sign_type": _WORDS}),
}
_API_KINDS: Final[Mapping[str, tuple[Parameters, Parameters]]] = {
    "fail_before": ({}, {}),
    "fail_after": ({}, {}),
    "status": ({"status": (int,)}, {}),
    "garbage": ({}, {}),
    "oversize": ({}, {}),
    "slow": ({"delay_s": _NUMBER}, {}),
    "error": ({"code": _WORDS}, {"message": _WORDS}),
}
_OAUTH_KINDS: Final[Mapping[str, tuple[Parameters, Parameters]]] = {
    **_API_KINDS,
    "error": ({"code": (int,)}, {"message": _WORDS}),  # an errcode is a number
}
_SIGNED_API_KINDS: Final[Mapping[str, tuple[Parameters, Parameters]]] = {
    **_API_KINDS,
    "bad_sign": ({}, {}),
    "unsigned": ({}, {}),
}
_KINDS: Final[Mapping[str, Mapping[str, tuple[Parameters, Parameters]]]] = {
    NOTIFY_TARGET: _NOTIFY_KINDS,
    OAUTH_TARGET: _OAUTH_KINDS,
    **dict.fromkeys(PAY_TARGETS, _SIGNED_API_KINDS),
}
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "times": (0, 1_000_000),
    "delay_s": (0, 7 * 24 * 3600),
    "n": (2, 1000),
    "status": (200, 599),
    "coupon_fee": (0, 10**9),
}


class BadFault(ValueError):
    """`field` is the part of the request that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Fault:
    """One entry of the list; `left` counts down to its end, None means until it is deleted."""

    def __init__(self, target: str, kind: str, *, times: int, parameters: Mapping[str, Any]) -> None:
        self.target = target
        self.kind = kind
        self.left: int | None = times or None
        self.parameters = parameters

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def get(self, name: str, default: Any) -> Any:
        return self.parameters.get(name, default)

    def as_json(self) -> dict[str, object]:
        return {"target": self.target, "kind": self.kind, "times": self.left or 0, **self.parameters}


class Faults:
    """Faults of one target are used up in the order they were asked for, one a call; a restart forgets them."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, body: Mapping[str, Any]) -> None:
        """
        Take on one fault as `POST /_sim/faults` describes it.

        Raises:
            BadFault: Naming the first field that is wrong.
        """
        self._faults.append(_read_fault(body))

    def take(self, target: str) -> Fault | None:
        """Return the fault this call is to suffer, and count it."""
        fault = next((fault for fault in self._faults if fault.target == target), None)
        if fault is not None and fault.left is not None:
            fault.left -= 1
            if not fault.left:
                self._faults.remove(fault)
        return fault

    def clear(self, target: str | None = None) -> None:
        self._faults = [fault for fault in self._faults if target not in (None, fault.target)]

    def as_json(self) -> list[dict[str, object]]:
        return [fault.as_json() for fault in self._faults]


def _read_fault(body: Mapping[str, Any]) -> Fault:
    target = _known(body, "target", _KINDS)
    kind = _known(body, "kind", _KINDS[target])
    required, optional = _KINDS[target][kind]
    allowed = {**required, **optional, "times": (int,)}
    parameters = {name: value for name, value in body.items() if name not in ("target", "kind")}
    for name in required:
        if name not in parameters:
            raise BadFault(name, f"{kind} needs it")
    for name, value in parameters.items():
        _check(name, value, allowed)
    times = parameters.pop("times", 1)
    return Fault(target, kind, times=times, parameters=parameters)


def _known(body: Mapping[str, Any], field: str, known: Mapping[str, object]) -> str:
    value: Any = body.get(field)
    if not isinstance(value, str) or value not in known:
        raise BadFault(field, f"must be one of {', '.join(known)}")
    return value


def _check(name: str, value: Any, allowed: Parameters) -> None:
    if name not in allowed:
        raise BadFault(name, f"is not one of {', '.join(allowed)}")
    # A bool is an int to Python, never to the person who wrote the request.
    if isinstance(value, bool) or not isinstance(value, allowed[name]):
        raise BadFault(name, f"must be {' or '.join(kind.__name__ for kind in allowed[name])}")
    low, high = _LIMITS.get(name, (-math.inf, math.inf))
    if isinstance(value, int | float) and not low <= value <= high:
        raise BadFault(name, f"must be between {low:g} and {high:g}")
