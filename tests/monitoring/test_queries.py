"""Each query of the dashboard and each rule of the alerts gives something on the metrics of a running tidegate."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.monitoring.board import RATE_SECONDS, Panel, alerts, panels
from tests.monitoring.prometheus import Prometheus, program
from tests.monitoring.traffic import scraped
from tests.prerequisites import make_ready, require


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    require("Prometheus", make_ready(lambda: program("prometheus")))
    with scraped(2 * RATE_SECONDS) as (running, _):
        yield running


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.title)
def test_the_panel_shows_something(prometheus: Prometheus, panel: Panel) -> None:
    for query in panel.queries:
        found = prometheus.value(query.expression)
        assert found, query.expression
        names = [query.name(labels) for labels, _ in found]
        assert len(set(names)) == len(names), "two series have the same legend"
        assert all(name.strip() for name in names) or not query.legend


def test_every_rule_is_evaluated(prometheus: Prometheus) -> None:
    subprocess.run([program("promtool"), "check", "rules", prometheus.rules], check=True, capture_output=True)
    (group,) = prometheus.api("rules")["groups"]
    assert [rule["name"] for rule in group["rules"]] == [rule["alert"] for rule in alerts()]
    assert [rule for rule in group["rules"] if rule["health"] != "ok"] == []


def test_no_alert_is_raised_but_those_that_say_what_is_so(prometheus: Prometheus) -> None:
    """AWS throttles in this run, and an exception ends within hours. A look-up may fail while it throttles."""
    raised = {one["labels"]["alertname"]: one["labels"] for one in prometheus.api("alerts")["alerts"]}
    assert raised.pop("TidegateExceptionEndsSoon")["exception"] == "incident"
    assert raised.keys() <= {"TidegateSourceCallsFailing", "TidegateStaleEvidence"}
