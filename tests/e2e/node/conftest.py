"""What the tests on a node start from: one cluster of one node a run, with tidegate installed from its chart.

Where something is missing the run fails if CI is set, and else the tests are skipped with a sentence that says what.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.node import NodeCluster
from tests.e2e.conftest import NO_NODE
from tests.installed import Installed, running_world, simulated_aws
from tests.simulator import Simulator

HERE = Path(__file__).parent
SCENARIO = HERE.parents[1] / "simulator" / "scenarios" / "demo.yaml"


@dataclass(frozen=True, kw_only=True)
class Node:
    """tidegate installed on a node, with the simulated AWS that it asks and that the node pulls from."""

    cluster: NodeCluster
    aws: Simulator
    tidegate: Installed


def require_node(pytestconfig: pytest.Config) -> None:
    """Skip or fail the test that needs a node where something is missing."""
    if lacking := pytestconfig.stash.get(NO_NODE, ""):
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(f"no node: {lacking}", pytrace=False)
        pytest.skip(f"no node: {lacking}")


@pytest.fixture(scope="package")
def package_node(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Give the run's node."""
    require_node(pytestconfig)
    with (
        NodeCluster(folder=tmp_path_factory.mktemp("node")) as cluster,
        simulated_aws(cluster, running_world(SCENARIO)) as aws,
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
    name = node.cluster.create_namespace()
    yield name
    node.cluster.kubectl("delete", "namespace", name, "--wait=false")
