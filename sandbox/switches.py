"""The faults a person turns on with one press on the simulator's own page; every other one is a `POST /_sim/faults`."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sandbox.control import ControlError, ControlHandler


class Switch(NamedTuple):
    """`fault` is what `POST /_sim/faults` would be sent; the words are for the page."""

    zh: str
    en: str
    fault: Mapping[str, Any]


def _always(target: str, kind: str, **parameters: Any) -> dict[str, Any]:
    return {"target": target, "kind": kind, "times": 0, **parameters}


SWITCHES: Final[Mapping[str, Switch]] = {
    "lost": Switch("支付通知全部丢失", "Every pay notify is lost", _always("notify", "drop")),
    "thrice": Switch("每个通知发三遍", "Every notify comes three times", _always("notify", "duplicate", n=3)),
    "late": Switch("通知晚到二十秒", "Every notify is 20 s late", _always("notify", "delay", delay_s=20)),
    "forged": Switch("有人伪造下一个通知", "Somebody forges the next notify", {"target": "notify", "kind": "forge"}),
    "down": Switch("下单接口回答 503", "Placing an order answers 503", _always("unifiedorder", "status", status=503)),
    "slow": Switch("下单接口慢五秒", "Placing an order takes 5 s", _always("unifiedorder", "slow", delay_s=5)),
    "garbage": Switch("查单接口回答乱码", "A query answers garbage", _always("orderquery", "garbage")),
    "abnormal": Switch(
        "下一笔退款到不了账",
        "The next refund cannot be credited",
        {"target": "refund", "kind": "outcome", "state": "CHANGE"},
    ),
}


class SwitchHandler(ControlHandler):
    """POST /_sim/switch, from a form: `fault` is a name of `SWITCHES`; an empty one takes every fault away."""

    def post(self) -> None:
        name = self.get_body_argument("fault", "")
        if not name:
            self.world.faults.clear()
        elif name in SWITCHES:
            self.world.faults.add(SWITCHES[name].fault)
        else:
            raise ControlError(400, "bad_fault", f"fault: must be one of {', '.join(SWITCHES)}")
        self.redirect("/#faults", status=303)
