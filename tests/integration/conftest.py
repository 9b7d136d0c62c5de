"""What holds for every integration test: a busy machine is not taken for an AWS that is slow.

And what most of them ask: a simulated AWS, with credentials of the environment as in a cluster.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator import Simulator, World
from tidegate.gather import patience

PATIENT_SECONDS = 5.0


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Wait long for evidence before the last good one is used; unit tests and attacks test that this happens."""
    monkeypatch.setattr(patience, "GRACE_SECONDS", PATIENT_SECONDS)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Hide what the machine itself knows of AWS; the tests may change it further."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def sim(world: World, environment: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator(world) as sim:
        for name, value in sim.environment().items():
            if name != "AWS_ENDPOINT_URL":
                environment.setenv(name, value)
        yield sim
