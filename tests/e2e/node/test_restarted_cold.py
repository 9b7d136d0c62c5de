"""A cluster that starts again with no Pod left: nothing waits for tidegate that tidegate waits for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import NAMESPACE
from tests.cluster import wait_for
from tests.e2e.node.conftest import Node, wait_until_refused
from tests.objects import GOOD, workload

EXEMPT = "kube-system"
AVAILABLE_SECONDS = 180
"""The ReplicaSet controller tries a refused Pod again after pauses that double."""


@pytest.fixture
def workloads(node: Node, guarded: str) -> Iterator[dict[str, str]]:
    """Give namespaces with a Deployment each, by what they are to tidegate."""
    namespaces = {"exempt": EXEMPT, "enforced": guarded}
    for namespace in namespaces.values():
        node.cluster.apply(workload("Deployment", GOOD, name="after-restart"), f"--namespace={namespace}")
    yield namespaces
    node.cluster.kubectl("delete", "deployment", "after-restart", f"--namespace={EXEMPT}")


def pods(node: Node, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.cluster.get("pods", f"--namespace={namespace}", "-lapp=after-restart")["items"]
    return found


def ready_at(pod: dict[str, Any]) -> dt.datetime | None:
    """Return since when a Pod is ready; None where it isn't."""
    conditions = pod["status"].get("conditions", ())
    times = [each["lastTransitionTime"] for each in conditions if (each["type"], each["status"]) == ("Ready", "True")]
    return dt.datetime.fromisoformat(times[0]) if times else None


@pytest.mark.timeout(2 * AVAILABLE_SECONDS + 180)
def test_without_any_pod_exempt_namespaces_start_then_tidegate_then_all_others(
    node: Node, workloads: dict[str, str]
) -> None:
    """As when all nodes were replaced at once while the control plane was down."""
    cluster = node.cluster
    for program in ("kube-controller-manager", "kube-scheduler"):
        cluster.stop_program(program)
    for namespace in (NAMESPACE, *workloads.values()):
        cluster.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", f"--namespace={namespace}")
    cluster.lose_power()
    cluster.restore_power()
    for namespace in (workloads["exempt"], workloads["enforced"]):
        wait_for(
            lambda namespace=namespace: [pod for pod in pods(node, namespace) if ready_at(pod)],  # type: ignore[misc]
            what=f"the Pod in {namespace}",
            timeout_seconds=AVAILABLE_SECONDS,
        )
    node.tidegate.wait_for_rollout()
    first = min(at for pod in node.tidegate.pods() if (at := ready_at(pod)))
    (follower,) = pods(node, workloads["enforced"])
    assert dt.datetime.fromisoformat(follower["metadata"]["creationTimestamp"]) >= first
    wait_until_refused(node, workloads["enforced"], "[policy production]")
