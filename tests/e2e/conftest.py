"""What every end-to-end test starts from: one real control plane a run, a namespace a test.

The programs are found or built before the first test runs, outside of any test's time limit. A missing one fails the
run where CI is set, and skips the tests elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import ControlPlane
from tests.cluster.control_plane import PROGRAMS
from tests.cluster.ports import free_ports
from tests.cluster.toolchain import build
from tests.gate import Gate
from tests.installed import prepare_node
from tests.prerequisites import make_ready, prepare, require
from tests.simulator import Simulator, scenario

HERE = Path(__file__).parent
ON_A_NODE = (HERE / "node", HERE / "test_demo.py")
MISSING = pytest.StashKey[str]()
NO_NODE = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, before ``-m`` chooses by mark."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make programs and image ready, with progress on the terminal, if a test that needs them will run."""
    stash = session.config.stash
    stash[MISSING] = prepare(session, HERE, make=lambda: make_ready(lambda: build.ready(PROGRAMS)))
    stash[NO_NODE] = prepare(session, *ON_A_NODE, make=prepare_node)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """tidegate on a control plane of its own, with the simulated AWS that it asks.

    A TUF repository may be served on loopback, at the one port that tidegate is allowed there.
    """

    cluster: ControlPlane
    aws: Simulator
    gate: Gate
    tuf_port: int


def require_programs(pytestconfig: pytest.Config) -> None:
    """Skip or fail the test that needs the real programs where they are missing."""
    require("control plane", pytestconfig.stash[MISSING])


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give the run's control plane; its folder with all logs stays among pytest's last three."""
    require_programs(pytestconfig)
    with ControlPlane(folder=tmp_path_factory.mktemp("control-plane")) as cluster:
        yield cluster


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Give the test a namespace of its own; its end isn't waited for."""
    with control_plane.namespace() as name:
        yield name


@pytest.fixture(scope="session")
def session_installation(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Give the run's tidegate: nodes of two architectures, the demo's world, no policy yet."""
    require_programs(pytestconfig)
    world = scenario.load(scenario.DEMO)
    with ControlPlane(folder=tmp_path_factory.mktemp("installation")) as cluster, Simulator(world) as aws:
        for architecture in ("amd64", "arm64"):
            cluster.add_node("linux", architecture)
        (tuf_port,) = free_ports(1)
        values = {"trustStores": {"privateHosts": [f"127.0.0.1:{tuf_port}"]}}
        with Gate(cluster, aws, values=values) as gate:
            yield Installation(cluster=cluster, aws=aws, gate=gate, tuf_port=tuf_port)


@pytest.fixture
def installation(session_installation: Installation) -> Iterator[Installation]:
    """Give the run's tidegate without faults, and take back what the test did to it."""
    session_installation.aws.clear()
    yield session_installation
    session_installation.aws.clear()
    session_installation.gate.delete_policies()


@pytest.fixture
def gated_namespace(installation: Installation) -> Iterator[str]:
    """Give the test a namespace of its own in the installation."""
    with installation.cluster.namespace() as name:
        yield name
