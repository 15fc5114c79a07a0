"""
Log lines: one event a line, for people or as JSON, on standard error.

Every line, also of a library and of a traceback, ends in `Cleaner`: no secret of ours and no whole openid gets past it.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final

import structlog

from server.metrics import Metrics

MAX_LOGGED: Final = 500
SAME_A_MINUTE: Final = 10

_NOISY: Final = ("httpx", "httpcore", "asyncio", "tornado.access", "tornado.general")

# WeChat's openids and unionids: 28 characters, the first an o; words of ours have no capitals and digits in them.
_OPENID: Final = re.compile(
    r"(?<![0-9A-Za-z_-])(o(?=[a-z_-]*[0-9A-Z])[0-9A-Za-z_-]{3})[0-9A-Za-z_-]{24}(?![0-9A-Za-z_-])"
)

Event = MutableMapping[str, Any]


class Cleaner:
    """Takes secrets and openids out of a finished line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, logger: Any, method: str, line: Any) -> str:
        return self.clean(str(line))

    def clean(self, text: str) -> str:
        """Return the text with `***` for each secret, and of an openid its beginning."""
        if self._secrets is not None:
            text = self._secrets.sub("***", text)
        return _OPENID.sub(r"\1…", text)


class Sampler:
    """
    Keeps a flood of the same warning down to `SAME_A_MINUTE` lines; the first of the next minute says how many were not
    written. Everything worse than a warning is written.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._minute = -1
        self._times: dict[tuple[str, ...], int] = {}
        self._dropped: dict[tuple[str, ...], int] = {}

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        if method != "warning":
            return event
        minute = int(self._monotonic_s() // 60)
        if minute != self._minute:
            self._minute = minute
            self._dropped = {key: n - SAME_A_MINUTE for key, n in self._times.items() if n > SAME_A_MINUTE}
            self._times = {}
        key = tuple(str(event.get(name, "")) for name in ("event", "verdict", "error"))  # words of ours
        times = self._times[key] = self._times.get(key, 0) + 1
        if times > SAME_A_MINUTE:
            raise structlog.DropEvent
        if dropped := self._dropped.pop(key, 0):
            event["not_written"] = dropped
        return event


def one_line(logger: Any, method: str, event: Event) -> Event:
    """Keep what a stranger sent on the line it belongs to: escape what does not print, cut what is too long."""
    for name, value in event.items():
        if isinstance(value, str) and (len(value) > MAX_LOGGED or not value.isprintable()):
            kept = value[:MAX_LOGGED]
            event[name] = kept if kept.isprintable() else kept.encode("unicode_escape").decode()
    return event


def configure_logs(log_format: str, *, secrets: Iterable[str] = ()) -> None:
    """
    Set up logging for the whole process; libraries speak only of trouble.

    Args:
        log_format: `console` or `json`.
        secrets: What no line may show.
    """
    # Plain tracebacks: a value of a local variable may be a key or an openid.
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        one_line,
    ]
    structlog.configure(
        processors=[Sampler(), *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    finish: structlog.typing.Processor = Cleaner(secrets)
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers, finish],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def count_alarms(metrics: Metrics) -> None:
    """Count from now on every line of ours that is critical: a person has to look."""

    def count(logger: Any, method: str, event: Event) -> Event:
        if method == "critical":
            metrics.alarms.labels(event["event"]).inc()
        return event

    structlog.configure(processors=[count, *structlog.get_config()["processors"]])
