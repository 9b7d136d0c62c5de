"""The background role on a node, installed by helm with its defaults: it runs beside the webhook, and one of two leads."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from typing import Any

from tests.background import acquired_after
from tests.chart.render import BACKGROUND, NAMESPACE
from tests.cluster import wait_for
from tests.e2e.node.conftest import Node, load
from tests.installed import pod_of
from tests.objects import GOOD, workload
from tidegate.cluster.lease import WORKED

LEASE = "tidegate-background"
FOLLOWED_SECONDS = 15.0
LEAST_REQUESTS = 300
WAIT_SECONDS = 120
WORKED_SECONDS = 60.0


def lease_of(node: Node) -> dict[str, Any]:
    """Return the spec of the Lease."""
    return node.cluster.get("lease", LEASE, f"--namespace={NAMESPACE}").get("spec") or {}


def holder(node: Node) -> str:
    """Return the identity that the Lease names, empty if no replica leads."""
    identity: str = lease_of(node).get("holderIdentity", "")
    return identity


def leader_of(node: Node) -> int:
    """Return the PID of the process that leads."""
    name = wait_for(lambda: holder(node), what="a leader", timeout_seconds=WAIT_SECONDS).rpartition("_")[0]
    (found,) = wait_for(
        lambda: [pid for pid in node.tidegate.processes(BACKGROUND) if pod_of(pid) == name],
        what="the process of the leader",
        timeout_seconds=WAIT_SECONDS,
    )
    return found


def both_ready(node: Node) -> bool:
    deployment = node.cluster.get("deployment", LEASE, f"--namespace={NAMESPACE}")
    return bool(deployment["status"].get("readyReplicas") == 2)


def age_of_work(node: Node) -> float:
    """Return how many seconds ago the Lease says that a leader was at work."""
    lease = node.cluster.get("lease", LEASE, f"--namespace={NAMESPACE}")
    return (datetime.now(UTC) - datetime.fromisoformat(lease["metadata"]["annotations"][WORKED])).total_seconds()


def test_a_running_image_has_a_verdict_with_the_digest_that_the_kubelet_reports(node: Node, guarded: str) -> None:
    wait_for(lambda: both_ready(node), what="two replicas", timeout_seconds=WAIT_SECONDS)
    manifest = workload("Deployment", GOOD)
    manifest["metadata"]["namespace"] = guarded
    node.cluster.apply(manifest)

    def verdict() -> dict[str, Any]:
        for one in node.cluster.get("imageverdicts")["items"]:
            for where in one["status"].get("runs", {}).get("namespaces", []):
                if where["name"] == guarded and "since" in where:
                    return {"spec": one["spec"], "status": one["status"], "where": where}
        return {}

    found = wait_for(verdict, what="the verdict on the running image", timeout_seconds=WAIT_SECONDS)
    (pod,) = node.cluster.get("pods", f"--namespace={guarded}")["items"]
    assert pod["status"]["containerStatuses"][0]["imageID"].endswith(f"@{found['spec']['digest']}")
    assert found["status"]["outcome"] == "Pass"
    assert found["where"]["workloads"] == [{"kind": "Deployment", "name": "app"}]
    assert age_of_work(node) < WORKED_SECONDS


def test_a_killed_leader_is_followed_and_no_admission_is_lost(node: Node, guarded: str) -> None:
    wait_for(lambda: both_ready(node), what="two replicas", timeout_seconds=WAIT_SECONDS)
    leader, before = leader_of(node), holder(node)
    with load(node, guarded) as running:
        time.sleep(1)
        os.kill(leader, signal.SIGKILL)
        killed = datetime.now(UTC)
        wait_for(lambda: holder(node) not in ("", before), what="another leader", timeout_seconds=WAIT_SECONDS)
    assert acquired_after(lease_of(node), killed) < FOLLOWED_SECONDS
    assert running.wrong == []
    assert running.failed == []
    assert len(running.outcomes) > LEAST_REQUESTS
