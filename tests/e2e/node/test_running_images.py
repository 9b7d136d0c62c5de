"""Images that run on a node get findings: refused within seconds of AWS's event, and kept running within a grace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster import program, wait_for
from tests.e2e.node.conftest import IN_FORCE_SECONDS, Node, wait_until_refused
from tests.installed import PAUSE
from tests.load import DENIED
from tests.objects import ECR, POLICY, workload
from tests.simulator import manifests

WAIT_SECONDS = 120
EVENT_SECONDS = 5.0
"""From an event of AWS to the first refused request."""
ATTEMPTS = 3
"""The machine may be busy with other tests: the fastest of these attempts counts."""


@pytest.fixture(scope="module")
def queue(package_node: Node) -> Iterator[None]:
    """Let tidegate receive AWS's events for the length of the module."""
    url = package_node.aws.world.add_queue("running-images")
    tidegate = package_node.tidegate
    tidegate.upgrade({"aws": tidegate.values["aws"] | {"eventQueueUrl": url}})
    rollout = ("rollout", "status", "deployment/tidegate-background", "--namespace=tidegate", "--timeout=120s")
    package_node.cluster.kubectl(*rollout, timeout_seconds=WAIT_SECONDS + 10)
    yield
    tidegate.upgrade()
    package_node.aws.world.remove_queue("running-images")


def push(node: Node, name: str) -> str:
    """Push an image that a node can run, and return its reference."""
    world = node.aws.world
    world.add_repository(f"team/{name}", mutability="IMMUTABLE")
    content = manifests.image(name, program=program(PAUSE).read_bytes())
    world.push(f"team/{name}", content, "v1", pushed_at="-10d", scanned=True)
    return f"{ECR}/team/{name}:v1"


def run(node: Node, namespace: str, name: str, image: str) -> None:
    """Run an image in a Deployment, and wait until its verdict says since when."""
    made = workload("Deployment", image, name=name)
    made["metadata"]["namespace"] = namespace
    node.cluster.apply(made)

    def runs() -> bool:
        return any(
            where["name"] == namespace and "since" in where
            for one in node.cluster.get("imageverdicts")["items"]
            if one["spec"]["repository"].endswith(f"/team/{name}")
            for where in one["status"].get("runs", {}).get("namespaces", [])
        )

    wait_for(runs, what="the verdict on the running image", timeout_seconds=WAIT_SECONDS)


def pods(node: Node, namespace: str) -> dict[str, Any]:
    """Return the Pods of a namespace that do not end, by name."""
    found = node.cluster.get("pods", f"--namespace={namespace}")["items"]
    return {one["metadata"]["name"]: one for one in found if "deletionTimestamp" not in one["metadata"]}


def replaced(node: Node, namespace: str, old: set[str]) -> bool:
    """Tell whether another Pod runs in the place of the old ones."""
    return any(
        name not in old and one["status"].get("phase") == "Running" for name, one in pods(node, namespace).items()
    )


@pytest.mark.usefixtures("queue")
def test_an_event_of_aws_reaches_each_replica_within_seconds(node: Node, namespace: str) -> None:
    node.tidegate.apply_policy("events", POLICY, match={"namespaces": [namespace]})
    taken = []
    for attempt in range(ATTEMPTS):
        name = f"event-{attempt}"
        image = push(node, name)
        run(node, namespace, name, image)
        assert "created" in node.tidegate.try_image(image, namespace=namespace)
        node.aws.world.add_finding(f"team/{name}", "v1", severity="CRITICAL", id=f"CVE-2026-10{attempt}")
        found = time.monotonic()
        asked: list[float] = []

        def is_refused(image: str = image, asked: list[float] = asked) -> bool:
            asked.append(time.monotonic())
            answers = [node.tidegate.try_image(image, namespace=namespace) for _ in range(4)]
            return all("VulnerabilitiesFound" in answer for answer in answers)

        wait_for(is_refused, what="the refusal", timeout_seconds=IN_FORCE_SECONDS)
        # How long kubectl takes to ask says nothing about tidegate.
        taken.append(asked[-1] - found)
        if min(taken) < EVENT_SECONDS:
            return
    pytest.fail(f"refused after {taken} seconds")


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("queue")
def test_a_pod_is_replaced_within_the_grace_and_not_after_it(node: Node, namespace: str) -> None:
    """As when nodes are replaced, one after another: the Pod ends, and the ReplicaSet creates another."""

    def with_grace(**grace: str) -> None:
        rules = POLICY["vulnerabilities"] | {"runningImages": grace}
        node.tidegate.apply_policy("grace", POLICY | {"vulnerabilities": rules}, match={"namespaces": [namespace]})

    with_grace(**{"for": "72h"})
    image = push(node, "rotated")
    run(node, namespace, "rotated", image)
    wait_for(lambda: replaced(node, namespace, set()), what="the first Pod", timeout_seconds=WAIT_SECONDS)
    node.aws.world.add_finding("team/rotated", "v1", severity="CRITICAL", id="CVE-2026-2000")

    def warned() -> bool:
        return "younger than the Pods that run this image" in node.tidegate.try_image(image, namespace=namespace)

    wait_for(warned, what="the warning of the grace", timeout_seconds=WAIT_SECONDS)
    for _ in range(2):
        old = set(pods(node, namespace))
        node.cluster.kubectl("delete", "pod", f"--namespace={namespace}", *old)
        wait_for(partial(replaced, node, namespace, old), what="the new Pod", timeout_seconds=WAIT_SECONDS)

    with_grace(**{"for": "1m"})
    wait_until_refused(node, namespace, DENIED, image=image)
    node.cluster.kubectl("delete", "pod", f"--namespace={namespace}", *pods(node, namespace))

    def refused() -> bool:
        found = node.cluster.get("events", f"--namespace={namespace}")["items"]
        return any("VulnerabilitiesFound" in one["message"] and one["reason"] == "FailedCreate" for one in found)

    wait_for(refused, what="the Event of the ReplicaSet", timeout_seconds=WAIT_SECONDS)
    assert not pods(node, namespace)
