"""Replicas that go while requests come, 200 a second through the API server: what is lost, and that nothing is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest

from tests.chart.render import NAMESPACE
from tests.cluster import wait_for
from tests.cluster.node.components import NODE
from tests.e2e.node.conftest import Node, load
from tests.installed import SELECTOR
from tests.load import Load
from tests.objects import CRITICAL, GOOD
from tests.release import CLOSED_CONNECTION

BEFORE_SECONDS, AFTER_SECONDS = 2.0, 8.0
NOTICE_SECONDS = 6.0
"""How long the cluster may take to notice: the kubelet looks each second, and a busy machine is late."""
DRAIN_SECONDS = 180
LEAST_REQUESTS = 300
NO_CONNECTION = ("connection refused", *CLOSED_CONNECTION)
"""What the API server says where the process that it calls is gone."""


def test_a_wrong_answer_is_noticed(node: Node, guarded: str) -> None:
    """The other tests would find nothing wrong otherwise."""
    swapped = Load(node.cluster, guarded, admitted=CRITICAL, refused=GOOD)
    with swapped as running:
        time.sleep(1)
    assert [one for one in running.outcomes if not one.text] == [], "no answer counts as right"
    assert {each.text == "admitted" for each in running.wrong} == {True, False}


def test_a_killed_replica_fails_requests_only_until_the_cluster_notices(node: Node, guarded: str) -> None:
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        killed = running.now
        os.kill(node.tidegate.processes()[0], signal.SIGKILL)
        time.sleep(AFTER_SECONDS)
    assert running.wrong == []
    assert len(running.outcomes) > LEAST_REQUESTS
    for each in running.failed:
        assert any(said in each.text for said in NO_CONNECTION), each.text
        assert killed <= each.began + each.seconds, "nothing fails before"
        assert each.began < killed + NOTICE_SECONDS
    # The other replica answers all the while.
    assert len(running.failed) < len([one for one in running.outcomes if 0 < one.began - killed < NOTICE_SECONDS])
    node.tidegate.wait_for_rollout()


@pytest.mark.timeout(DRAIN_SECONDS + 120)
def test_a_drained_node_loses_no_request(node: Node, guarded: str) -> None:
    """As the guide has it. There is one node only, so it takes Pods again once the first has gone."""

    def drain() -> None:
        arguments = ("drain", NODE, "--ignore-daemonsets", f"--pod-{SELECTOR.removeprefix('--')}")
        ended.append(node.cluster.kubectl(*arguments, check=False, timeout_seconds=DRAIN_SECONDS))

    def replaced() -> bool:
        names = {pod["metadata"]["name"] for pod in node.tidegate.pods() if "deletionTimestamp" not in pod["metadata"]}
        return len(names) == 2 and not names & before

    ended: list[subprocess.CompletedProcess[str]] = []
    before = {pod["metadata"]["name"] for pod in node.tidegate.pods()}
    with load(node, guarded) as running:
        time.sleep(BEFORE_SECONDS)
        draining = threading.Thread(target=drain)
        draining.start()
        try:
            evicted = ("get", "pods", f"--namespace={NAMESPACE}", SELECTOR, "--output=jsonpath={.items[*].metadata}")
            wait_for(
                lambda: "deletionTimestamp" in node.cluster.kubectl(*evicted).stdout or ended,
                what="the first eviction",
                timeout_seconds=DRAIN_SECONDS,
            )
        finally:
            node.cluster.kubectl("uncordon", NODE)
        draining.join()
        wait_for(replaced, what="other Pods", timeout_seconds=DRAIN_SECONDS)
        node.tidegate.wait_for_rollout()
    assert ended[0].returncode == 0, ended[0].stderr
    assert running.wrong == []
    assert running.failed == []
    assert len(running.outcomes) > LEAST_REQUESTS
