"""The init container with ``tidegate preflight``: a Pod starts when all is well, and else its log has the fix."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import CHART, NAMESPACE
from tests.cluster import wait_for
from tests.e2e.node.conftest import Node, load

ON = {"preflight": {"enabled": True}}
ACTION = "DescribeImages"
CHECKS = ("identity", "clock", "endpoints", "permissions", "scan-type", "inspector")
INIT_SECONDS = 90.0
BEFORE_SECONDS = AFTER_SECONDS = 2.0
FAILED = 1
FAILURE = re.compile(rf"^failed +permissions +ecr:{ACTION} in 111122223333", re.MULTILINE)
CHANGED = {"podAnnotations": {"changed": "yes"}}


@pytest.fixture
def checking(node: Node, guarded: str) -> Iterator[tuple[Node, str]]:
    """Give the node and a guarded namespace, with the init container in each Pod; afterwards there is none again."""
    node.tidegate.upgrade(ON)
    yield node, guarded
    node.aws.clear()
    node.tidegate.upgrade()


def preflight_log(node: Node, pod: dict[str, Any]) -> str:
    """Return what the guide's command shows: the log of a Pod's init container."""
    name = pod["metadata"]["name"]
    return node.cluster.kubectl("logs", name, f"--namespace={NAMESPACE}", "--container", "preflight").stdout


def exit_code(pod: dict[str, Any]) -> int | None:
    """Return how the init container of a Pod last ended; None if it has not."""
    for status in pod["status"].get("initContainerStatuses", ()):
        for state in (status["state"], status["lastState"]):
            if "terminated" in state:
                code: int = state["terminated"]["exitCode"]
                return code
    return None


@pytest.mark.timeout(2 * INIT_SECONDS + 300)
def test_pods_start_when_each_check_passes_and_say_what_fails(checking: tuple[Node, str]) -> None:
    """A Pod that lacks a permission does not start; the others serve on."""
    node, namespace = checking
    before = {pod["metadata"]["name"] for pod in node.tidegate.pods()}
    for pod in node.tidegate.pods():
        assert exit_code(pod) == 0
        lines = preflight_log(node, pod).splitlines()
        assert {line.split()[1] for line in lines if line.startswith("ok ")} == set(CHECKS)
        assert [line for line in lines if line.startswith("failed")] == []

    def stopped() -> dict[str, Any]:
        new = [pod for pod in node.tidegate.pods() if pod["metadata"]["name"] not in before]
        return next((pod for pod in new if exit_code(pod) == FAILED), {})

    def failure() -> str:
        # Empty for a moment when the kubelet tries again.
        said = preflight_log(node, pod)
        return said if FAILURE.search(said) else ""

    with load(node, namespace) as running:
        # Each replica learns what it needs to know of both images.
        time.sleep(BEFORE_SECONDS)
        node.aws.inject("access_denied", service="ecr", operation=ACTION)
        node.tidegate.helm("upgrade", str(CHART), values=node.tidegate.values | ON | CHANGED)
        pod = wait_for(stopped, what="the end of the init container", timeout_seconds=INIT_SECONDS)
        said = wait_for(failure, what="the denied action in the log", timeout_seconds=INIT_SECONDS)
        node.aws.clear()
        # The kubelet tries again after pauses that double.
        node.tidegate.wait_for_rollout()
        time.sleep(AFTER_SECONDS)
    assert (running.wrong, running.failed) == ([], [])
    assert f"To fix: allow ecr:{ACTION} in the IAM policy of the caller" in " ".join(said.split())
    assert before.isdisjoint(each["metadata"]["name"] for each in node.tidegate.pods())
