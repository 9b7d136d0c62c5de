"""The alerts and the dashboard: they use metrics that exist, and each alert has a section that says what to do."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.chart.render import CHART, HelmError, find, render

DOCS = CHART.parents[2] / "docs"
RUNBOOKS = DOCS / "operations" / "alerts.md"
ALERTS = {"metrics": {"prometheusRule": {"enabled": True, "runbookUrl": "https://docs.example.com/alerts/"}}}
DASHBOARD = {"metrics": {"dashboard": {"enabled": True}}}
METRIC = re.compile(r"\b(?:tidegate|process)_[a-z_]+\b")
SUFFIX = re.compile(r"_(bucket|sum|count)$")
LABELS = re.compile(r"\b(\w+)(?:=~|!=|!~|=)\"|by \(([^)]*)\)")
FROM_PROMETHEUS = {"job", "namespace", "pod", "le", "exported_namespace"}
"""Labels that a metric has beside its own; its own `namespace` is renamed to the last."""
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def documented() -> dict[str, set[str]]:
    """Return the labels of each metric on the page, which a test compares with the metrics themselves."""
    page = (DOCS / "reference/metrics.md").read_text()
    rows = re.findall(r"^\| `(tidegate_\w+)` \| \w+ \|([^|]*)\|", page, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def rules(values: dict[str, Any], **where: str) -> list[dict[str, Any]]:
    (group,) = find(render(values, **where), "PrometheusRule")["spec"]["groups"]
    listed: list[dict[str, Any]] = group["rules"]
    return listed


def dashboard() -> dict[str, Any]:
    data = find(render(DASHBOARD), "ConfigMap", "tidegate-dashboard")["data"]
    board: dict[str, Any] = json.loads(data["tidegate.json"])
    return board


def expressions() -> list[str]:
    queries = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return queries + [rule["expr"] for rule in rules(ALERTS)]


def test_each_expression_uses_metrics_and_labels_that_exist():
    known = documented()
    assert len(known) > 20
    for expression in expressions():
        names = {SUFFIX.sub("", name) for name in METRIC.findall(expression)}
        assert names or expression.startswith("sum(up{")
        assert names <= known.keys() | PROCESS, expression
        used = {label for one, listed in LABELS.findall(expression) for label in [one, *listed.split(", ")] if label}
        assert used <= FROM_PROMETHEUS.union(*(known.get(name, set()) for name in names)), expression


def test_each_expression_is_about_this_release_alone():
    for rule in rules(ALERTS, namespace="security", release="gate"):
        selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
        assert selectors, rule["alert"]
        for one in selectors:
            role = "-background" if "gate-tidegate-background-metrics" in one else ""
            assert f'job="gate-tidegate{role}-metrics", namespace="security"' in one, rule["alert"]


def test_without_the_background_role_there_are_no_alerts_about_it():
    without = rules({**ALERTS, "background": {"enabled": False}})
    assert {one["alert"] for one in rules(ALERTS)} - {one["alert"] for one in without} == {
        "TidegateChangesNotFollowed",
        "TidegateNoLeader",
        "TidegateRunningImageTurnedBad",
        "TidegateVerdictsNotWritten",
    }


def test_each_alert_links_to_its_section_and_each_section_has_an_alert():
    listed = rules(ALERTS)
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert [rule["alert"] for rule in listed] == headings
    for rule in listed:
        assert rule["annotations"]["runbook_url"] == f"https://docs.example.com/alerts#{rule['alert'].lower()}"
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_without_an_address_there_are_no_links():
    values = {"metrics": {"prometheusRule": {"enabled": True}}}
    assert all("runbook_url" not in rule["annotations"] for rule in rules(values))


def test_alerts_need_the_job_that_they_select():
    with pytest.raises(HelmError, match=r"set metrics\.service to true"):
        render({"metrics": {"service": False, "prometheusRule": {"enabled": True}}})


def test_the_labels_are_those_that_prometheus_and_grafana_select_by():
    values = {"metrics": {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}}
    assert find(render(values), "PrometheusRule")["metadata"]["labels"]["release"] == "prometheus"
    assert find(render(DASHBOARD), "ConfigMap", "tidegate-dashboard")["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_panels_of_the_dashboard_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_file_of_alerts_is_a_list_of_rules():
    assert len(yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())) == len(rules(ALERTS))
