"""What the tests on a node start from: one cluster of one node a run, with tidegate installed from its chart.

Where something is missing the run fails if CI is set, and else the tests are skipped with a sentence that says what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.node import NodeCluster
from tests.e2e.conftest import NO_NODE
from tests.installed import Installed, running_world, simulated_aws
from tests.prerequisites import require
from tests.simulator import Simulator, scenario


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
