"""What the metrics are called is the same in the code, the runbook, the alert rules and the dashboard."""

import json
import re
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from tests.running import Daifu

ROOT: Final = Path(__file__).resolve().parent.parent
RUNBOOK: Final = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
ALERTS: Final = (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
DASHBOARD: Final = (ROOT / "deploy/grafana/daifu.json").read_text(encoding="utf-8")
SUFFIXES: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def metrics_of(daifu: Daifu) -> list[Metric]:
    return list(daifu.services.metrics.registry.collect())


def series_of(daifu: Daifu) -> set[str]:
    return {metric.name + suffix for metric in metrics_of(daifu) for suffix in SUFFIXES[metric.type]}


def anchors(markdown: str) -> set[str]:
    """Return what the headings of a page are called in links to them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


async def test_the_runbook_has_every_metric_with_its_meaning_and_no_other(daifu: Daifu) -> None:
    rows = dict(re.findall(r"^\| `(daifu_\w+)` \| (.*?) \| .+ \|$", RUNBOOK, re.MULTILINE))

    assert rows == {metric.name: metric.documentation for metric in metrics_of(daifu)}


async def test_alerts_and_dashboard_ask_for_what_is_there(daifu: Daifu) -> None:
    assert set(re.findall(r"\bdaifu_\w+", ALERTS)) <= series_of(daifu)
    assert set(re.findall(r"\bdaifu_\w+", DASHBOARD)) <= series_of(daifu)


async def test_the_dashboard_shows_every_metric(daifu: Daifu) -> None:
    asked = " ".join(target["expr"] for panel in json.loads(DASHBOARD)["panels"] for target in panel["targets"])

    assert [metric.name for metric in metrics_of(daifu) if metric.name not in asked] == []


def test_every_alert_and_link_names_a_place_in_the_runbook() -> None:
    named = re.findall(r"runbook: docs/operations\.md#(\S+)", ALERTS)

    assert len(named) == ALERTS.count("- alert: ")
    assert set(named) | set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors(RUNBOOK)
