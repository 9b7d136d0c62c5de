"""What the tests on a node start from: one cluster of one node a run, with tidegate installed from its chart.

Where something is missing the run fails if CI is set, and else the tests are skipped with a sentence that says what.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest

from tests.chart.render import NAMESPACE
from tests.cluster import wait_for
from tests.cluster.node import NodeCluster
from tests.e2e.conftest import NO_NODE
from tests.installed import Installed, running_world, simulated_aws
from tests.load import Load
from tests.objects import CRITICAL, GOOD, POLICY
from tests.prerequisites import require
from tests.simulator import Simulator, scenario

LEAST_ANSWERS = 10
IN_FORCE_SECONDS = 90.0
SHOWN = (
    ("get", "pods", "--all-namespaces", "--output=wide"),
    ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
    ("logs", f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/name=tidegate", "--prefix", "--tail=50"),
)
"""What kubectl says about the node where a test has failed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the node does at the moment in which a test fails."""
    report = yield
    node = getattr(item, "funcargs", {}).get("node")
    if report.when == "call" and report.failed and isinstance(node, Node):
        for command in SHOWN:
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = node.cluster.kubectl(*command, check=False)
                report.sections.append((f"kubectl {' '.join(command)}", done.stdout + done.stderr))
    return report


@dataclass(frozen=True, kw_only=True)
class Node:
    """tidegate installed on a node, with the simulated AWS that it asks and that the node pulls from."""

    cluster: NodeCluster
    aws: Simulator
    tidegate: Installed


def require_node(pytestconfig: pytest.Config) -> None:
    """Skip or fail the test that needs a node where something is missing."""
    require("node", pytestconfig.stash[NO_NODE])


@pytest.fixture(scope="package")
def package_node(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Give the run's node."""
    require_node(pytestconfig)
    with (
        NodeCluster(folder=tmp_path_factory.mktemp("node")) as cluster,
        simulated_aws(cluster, running_world(scenario.DEMO)) as aws,
        Installed(cluster, aws) as tidegate,
    ):
        yield Node(cluster=cluster, aws=aws, tidegate=tidegate)


@pytest.fixture
def node(package_node: Node) -> Iterator[Node]:
    """Give the run's node, and take back the policies of the test."""
    yield package_node
    package_node.aws.clear()
    package_node.tidegate.delete_policies()


@pytest.fixture
def namespace(node: Node) -> Iterator[str]:
    """Give the test a namespace of its own on the node."""
    with node.cluster.namespace() as name:
        yield name


@pytest.fixture
def guarded(node: Node, namespace: str) -> str:
    """Give a namespace with a policy that denies, and two replicas."""
    apply_production(node, namespace)
    node.tidegate.wait_for_rollout()
    assert len(node.tidegate.processes()) == 2
    return namespace


def apply_production(node: Node, namespace: str) -> None:
    """Apply a policy to the namespace and wait until each replica refuses by it: any may be asked."""
    node.tidegate.apply_policy("production", POLICY, match={"namespaces": [namespace]})
    wait_until_refused(node, namespace, "[policy production]")


def wait_until_refused(node: Node, namespace: str, text: str, *, image: str = "docker.io/library/x:1") -> None:
    """Wait until each replica refuses with a text: any may be asked."""

    def refuses() -> bool:
        return all(text in node.tidegate.try_image(image, namespace=namespace) for _ in range(LEAST_ANSWERS))

    wait_for(refuses, what="refusals by every replica", timeout_seconds=IN_FORCE_SECONDS)


def load(node: Node, namespace: str) -> Load:
    """Return requests to the guarded namespace, one of which is to be admitted and the next one refused."""
    return Load(node.cluster, namespace, admitted=GOOD, refused=CRITICAL)
