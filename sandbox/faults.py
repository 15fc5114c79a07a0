"""
What can be made to go wrong: a target, a kind, how many times, and the kind's parameters.

A notify that is not to be trusted (`forge`, `serial`, `stale`, `unsigned`, `reserialised`, `bad_cipher`, `bad_padding`)
stands in for WeChat's and so never counts as delivered; a `probe` goes ahead of the true one. API v2 has neither serial
nor time: there each of them is a forgery. Content kinds (`amount`, `appid`, …) are signed or
encrypted rightly and count as delivered when answered SUCCESS. Of the API kinds, `fail_before`, `status` and `error`
leave the call without effect; `bad_sign`, `probe`, `serial`, `stale` and `unsigned` spoil only the answer's
signature; `outcome` says how an accepted refund is to end; bill kinds (`missing`, `extra`, …) make
one bill differ from the ledger; all others spoil only the answer.
"""

import math
import random
from collections.abc import Mapping
from typing import Any, Final

from sandbox.fault_kinds import CHOICES, COMMON, KINDS, LIMITS, Parameters

_ALWAYS: Final = 100


class BadFault(ValueError):
    """`field` is the part of the request that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Fault:
    """
    One entry of the list; `left` counts down to its end, None means until it is deleted.

    It hits `percent` of a hundred calls; the others go on to the next fault.
    """

    def __init__(
        self, target: str, kind: str, *, times: int, parameters: Mapping[str, Any], percent: float = _ALWAYS
    ) -> None:
        self.target = target
        self.kind = kind
        self.left: int | None = times or None
        self.percent = percent
        self.parameters = parameters

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def get(self, name: str, default: Any) -> Any:
        return self.parameters.get(name, default)

    def as_json(self) -> dict[str, object]:
        rate = {} if self.percent == _ALWAYS else {"percent": self.percent}
        return {"target": self.target, "kind": self.kind, "times": self.left or 0, **rate, **self.parameters}

    def hits(self, target: str) -> bool:
        return self.target == target and (self.percent == _ALWAYS or random.random() * _ALWAYS < self.percent)


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
        fault = next((fault for fault in self._faults if fault.hits(target)), None)
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
    target = _known(body, "target", KINDS)
    kind = _known(body, "kind", KINDS[target])
    required, optional = KINDS[target][kind]
    allowed = {**required, **optional, **COMMON}
    parameters = {name: value for name, value in body.items() if name not in ("target", "kind")}
    for name in required:
        if name not in parameters:
            raise BadFault(name, f"{kind} needs it")
    for name, value in parameters.items():
        _check(name, value, allowed)
    times, percent = parameters.pop("times", 1), parameters.pop("percent", _ALWAYS)
    return Fault(target, kind, times=times, percent=percent, parameters=parameters)


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
    if name in CHOICES and value not in CHOICES[name]:
        raise BadFault(name, f"must be one of {', '.join(CHOICES[name])}")
    low, high = LIMITS.get(name, (-math.inf, math.inf))
    if isinstance(value, int | float) and not low <= value <= high:
        raise BadFault(name, f"must be between {low:g} and {high:g}")
