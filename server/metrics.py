"""
What is counted and measured, for Prometheus. Every metric has its name and its meaning here; `docs/operations.md` says
what to do about it.

Labels are words of ours and WeChat's codes, from small fixed sets: never an order, a person or what a stranger sent.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.metrics import Counter, Histogram
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_FAST_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# WeChat tells whole seconds, so less than one says little; minutes are what a lost notify costs.
_PUSH_S: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
MAX_SHOWN: Final = 10_000  # orders whose newest payment is remembered, so that it is measured once


# A series beside each counter that nobody asks for. The library gives it no types.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One process's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.notifies = Counter(
            "daifu_notifies",
            "Notifies answered, by route, verdict and reason.",
            ("route", "verdict", "reason"),
            registry=self.registry,
        )
        self.notify_keys = Counter(
            "daifu_notify_keys",
            "Notifies proved, by kind of key and which one: its place in the settings, or WeChat's own name for it.",
            ("kind", "key"),
            registry=self.registry,
        )
        self.notify_seconds = Histogram(
            "daifu_notify_seconds",
            "From a notify's last byte to its answer.",
            ("route",),
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.paid_to_frame_seconds = Histogram(
            "daifu_paid_to_frame_seconds",
            "From WeChat's success_time to the first frame that shows the payment to somebody.",
            buckets=_PUSH_S,
            registry=self.registry,
        )
        self.frames = Counter("daifu_frames", "States written to watchers.", registry=self.registry)
        self.watchers_closed = Counter(
            "daifu_watchers_closed", "Watchers we closed, by close code.", ("code",), registry=self.registry
        )
        self.wechat_calls = Counter(
            "daifu_wechat_calls",
            "Calls to WeChat Pay, by outcome: answered (whatever it said) or unavailable.",
            ("call", "outcome"),
            registry=self.registry,
        )
        self.wechat_seconds = Histogram(
            "daifu_wechat_seconds",
            "How long WeChat Pay took, or we waited.",
            ("call",),
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.effects = Counter(
            "daifu_effects",
            "Effects run, by kind and outcome: done, postponed or parked.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self.effect_late_seconds = Histogram(
            "daifu_effect_late_seconds",
            "How long after it was due an effect was begun.",
            ("kind",),
            buckets=_PUSH_S,
            registry=self.registry,
        )
        self.refunds = Counter(
            "daifu_refunds", "Refunds the relay brought to this state.", ("state",), registry=self.registry
        )
        self.payments_found = Counter(
            "daifu_payments_found",
            "Payments that WeChat told of when the relay asked, before any notify did.",
            registry=self.registry,
        )
        self.alarms = Counter(
            "daifu_alarms", "Things a person has to look at, by event in the log.", ("event",), registry=self.registry
        )
        self.canary_seconds = Histogram(
            "daifu_bus_canary_seconds",
            "From sending a canary through the bus to hearing it.",
            buckets=_FAST_S,
            registry=self.registry,
        )
        self.loop_lag_seconds = Histogram(
            "daifu_loop_lag_seconds", "How late the event loop woke up.", buckets=_FAST_S, registry=self.registry
        )
        self._shown: OrderedDict[str, int] = OrderedDict()

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Have this gauge read when somebody asks."""
        self.registry.register(_Read(name, meaning, lambda: {"": value()}))

    def watch_each(self, name: str, meaning: str, label: str, values: Callable[[], Mapping[str, float]]) -> None:
        """Have this gauge read when somebody asks, for each value of its label."""
        self.registry.register(_Read(name, meaning, values, label))

    def paid_shown(self, order_id: str, paid_at_ms: int, now_ms: int) -> None:
        """A frame with this payment was written for the first time here; WeChat took the money at `paid_at_ms`."""
        if self._shown.get(order_id, 0) >= paid_at_ms:
            return
        self._shown[order_id] = paid_at_ms
        if len(self._shown) > MAX_SHOWN:
            self._shown.popitem(last=False)
        self.paid_to_frame_seconds.observe(max(0, now_ms - paid_at_ms) / 1000)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Read(Collector):
    """A gauge that is read when asked for; without a label it has one value."""

    def __init__(self, name: str, meaning: str, values: Callable[[], Mapping[str, float]], label: str = "") -> None:
        self._name = name
        self._meaning = meaning
        self._values = values
        self._label = label

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=(self._label,) if self._label else ())
        for of, value in self._values().items():
            family.add_metric((of,) if self._label else (), value)
        yield family
