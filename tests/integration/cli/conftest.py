"""A simulated AWS, and the files that a person at a terminal would have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.desk import Desk
from tests.integration.egress.peer import Peer
from tests.integration.gather.gate import make_impatient
from tests.simulator import Simulator, World


@pytest.fixture
def world() -> World:
    world = World()
    world.add_image("team/app", "v1")
    return world


@pytest.fixture
def sim(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Simulator]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with Simulator(world) as sim:
        for name, value in sim.environment().items():
            if name != "AWS_ENDPOINT_URL":
                monkeypatch.setenv(name, value)
        yield sim


@pytest.fixture
def desk(sim: Simulator, tmp_path: Path) -> Desk:
    return Desk(sim, tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every answer comes at once here, so that only the number of attempts has to be small.
    make_impatient(monkeypatch, read_timeout_seconds=10.0)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer
