"""The real signing programs, built before any test's time limit starts; missing, they fail the run where CI is set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.toolchain import build
from tests.e2e.interop.cosign_world import World, cosign_world
from tests.e2e.interop.programs import Cosign, Notation
from tests.e2e.interop.services import Services
from tests.prerequisites import make_ready, prepare, require
from tests.simulator.oci_registry import OciRegistry

HERE = Path(__file__).parent
PROGRAMS = ("notation", "cosign")
MISSING = pytest.StashKey[str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the programs ready, with progress on the terminal, if a test that needs them will run."""
    session.config.stash[MISSING] = prepare(session, HERE, make=lambda: make_ready(lambda: build.ready(PROGRAMS)))


def _program(pytestconfig: pytest.Config, name: str) -> Path:
    require(name, pytestconfig.stash[MISSING])
    return build.program(name)


@pytest.fixture(scope="session")
def notation_path(pytestconfig: pytest.Config) -> Path:
    return _program(pytestconfig, "notation")


@pytest.fixture(scope="session")
def cosign_path(pytestconfig: pytest.Config) -> Path:
    return _program(pytestconfig, "cosign")


@pytest.fixture
def notation(notation_path: Path, tmp_path: Path) -> Notation:
    """Give a notation that has no key and trusts nobody yet."""
    return Notation(notation_path, tmp_path / "notation-home")


@pytest.fixture
def cosign(cosign_path: Path, tmp_path: Path) -> Cosign:
    return Cosign(cosign_path, tmp_path / "cosign-home")


@pytest.fixture
def services() -> Iterator[Services]:
    """Give authorities that answer on loopback; what they answer, the test says."""
    with Services() as running:
        yield running


@pytest.fixture
def registry() -> Iterator[OciRegistry]:
    """Give an empty registry that has the referrers API."""
    with OciRegistry() as running:
        yield running


@pytest.fixture(scope="session")
def world(cosign_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give the run's cosign with a registry, a key and a Sigstore instance; each test has repositories of its own."""
    cosign = Cosign(cosign_path, tmp_path_factory.mktemp("cosign"))
    with OciRegistry() as running, Services() as services:
        yield cosign_world(cosign, running, services)
