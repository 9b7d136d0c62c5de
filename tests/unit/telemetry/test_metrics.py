"""Every metric has its line in the reference, with its type and its labels, and nothing else does."""

import re
from pathlib import Path

import pytest

from tidegate.app.admission import watch_clock, watch_policies, watch_trust_stores
from tidegate.app.engine import build_engine
from tidegate.app.server_metrics import ServerMetrics
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.cluster.trust_stores import WatchedTrustStores
from tidegate.settings import Settings
from tidegate.telemetry.metrics import Metrics

PAGE = Path(__file__).parents[3] / "docs/reference/metrics.md"
ROW = re.compile(r"^\| `(tidegate_\w+)` \| (\w+) \| ((?:`\w+`(?:, )?)*) ?\| .+ \|$", re.MULTILINE)


SERVER_LABELS = {
    "tidegate_server_connections": ("listener",),
    "tidegate_server_body_bytes": ("listener",),
    "tidegate_server_accepted_total": ("listener",),
    "tidegate_server_accept_waits_total": ("listener",),
    "tidegate_server_answers_total": ("listener", "status"),
    "tidegate_server_ended_total": ("listener", "reason"),
}
"""Of metrics that have no samples before a server has started; its own test sees these labels."""


class NoApi(KubernetesApi):
    """Nothing is asked before something is watched."""

    def __init__(self) -> None:
        pass


@pytest.fixture(scope="module")
def metrics():
    engine = build_engine(Settings())
    watch_clock(engine, [])
    watch_policies(engine.metrics, WatchedPolicies(NoApi()))
    watch_trust_stores(engine.metrics, WatchedTrustStores(NoApi(), namespace=None))
    engine.metrics.registry.register(ServerMetrics(list))
    yield engine.metrics
    engine.close()


def test_the_reference_names_each_metric_with_type_and_labels(metrics: Metrics):
    told = {name: (kind, tuple(re.findall(r"\w+", labels))) for name, kind, labels in ROW.findall(PAGE.read_text())}
    labelled = {
        counter.name: counter.labels
        for counter in (
            metrics.decisions,
            metrics.answer_seconds,
            metrics.results,
            metrics.stale,
            metrics.calls,
            metrics.unanswered,
            metrics.call_seconds,
        )
    }
    there = {}
    for family in metrics.registry.collect():
        if family.name.startswith("tidegate_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = SERVER_LABELS.get(name) or labelled.get(
                family.name, tuple(family.samples[0].labels) if family.samples else ()
            )
            there[name] = family.type, labels
    assert told == there


def test_what_is_rendered_is_prometheus_text(metrics: Metrics):
    text = metrics.render().decode()
    assert "# TYPE tidegate_admission_decisions_total counter" in text
    assert "tidegate_policies_age_seconds +Inf" in text
