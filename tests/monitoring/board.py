"""The chart's dashboard and alerts as data, with Grafana's variables replaced by what Prometheus understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from tests.chart.render import NAMESPACE, find, render
from tests.chart.test_monitoring import ALERTS, dashboard

RATE_SECONDS = 15
"""What stands for Grafana's $__rate_interval, which is at least four times the scrape interval."""
LABELS: Mapping[str, str] = {"job": "tidegate-metrics", "namespace": NAMESPACE, "pod": "tidegate-6f7d9c5b8-x2x9k"}
"""The labels that Prometheus' operator adds to what it scrapes of a Pod."""
BACKGROUND_LABELS: Mapping[str, str] = {
    "job": "tidegate-background-metrics",
    "namespace": NAMESPACE,
    "pod": "tidegate-background-5c4d8f7b9-k7q2m",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel, and how its series are named."""

    expression: str
    legend: str

    def name(self, labels: Mapping[str, str]) -> str:
        """Return the name of a series, by the legend's format."""
        return str(jinja2.Template(self.legend).render(labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: a number (``stat``) or curves (``timeseries``), its unit in Grafana's words, and its place on the board."""

    title: str
    kind: str
    unit: str
    place: Mapping[str, int]
    queries: Sequence[Query]


def panels() -> list[Panel]:
    """Return the panels of the dashboard that the chart renders."""
    return [
        Panel(
            title=one["title"],
            kind=one["type"],
            unit=one["fieldConfig"]["defaults"]["unit"],
            place=one["gridPos"],
            queries=[
                Query(expression=_filled(target["expr"]), legend=target.get("legendFormat", ""))
                for target in one["targets"]
            ],
        )
        for one in dashboard()["panels"]
    ]


def _filled(expression: str) -> str:
    return expression.replace("$__rate_interval", f"{RATE_SECONDS}s").replace(
        "$job", f"{LABELS['job']}|{BACKGROUND_LABELS['job']}"
    )


def alerts() -> list[dict[str, Any]]:
    """Return the rules of the alerts that the chart renders."""
    (group,) = find(render(ALERTS), "PrometheusRule")["spec"]["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules
