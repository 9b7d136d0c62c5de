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
def environment(environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return environment


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
