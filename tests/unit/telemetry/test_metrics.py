"""What Prometheus reads."""

from tidegate.app.sources import watch_policies
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.policies import WatchedPolicies
from tidegate.telemetry.metrics import Metrics


class NoApi(KubernetesApi):
    """A Kubernetes API that no registration of a metric calls."""

    def __init__(self) -> None:
        pass


def test_what_is_rendered_is_prometheus_text():
    metrics = Metrics()
    watch_policies(metrics, WatchedPolicies(NoApi()))
    text = metrics.render().decode()
    assert "# TYPE tidegate_admission_decisions_total counter" in text
    assert "tidegate_policies_age_seconds +Inf" in text
