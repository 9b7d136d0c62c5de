"""A simulated AWS, and controllers that ask it with the credentials of the environment, as in a cluster."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.gather.gate import NO_CRITICAL, OTHER, Gate, image, make_impatient
from tests.simulator import World


@pytest.fixture
def world() -> World:
    world = World()
    world.add_account(OTHER)
    return world


@pytest.fixture
def start(sim) -> Iterator[Callable[..., Gate]]:
    """Start a controller with the spec of its one policy; others start beside it."""
    gates: list[Gate] = []

    def make(spec: Any = NO_CRITICAL, **options: Any) -> Gate:
        gates.append(Gate(sim, spec, **options))
        return gates[-1]

    yield make
    for gate in gates:
        gate.engine.close()


@pytest.fixture
def impatient(monkeypatch) -> None:
    make_impatient(monkeypatch)


@pytest.fixture
def app(world) -> str:
    """A good image, by its tag."""
    world.add_image("team/app", "v1")
    return image()


@pytest.fixture
def bad(world) -> str:
    """An image with a critical finding, by its tag."""
    world.add_image("team/bad", "v1")
    world.add_finding("team/bad", "v1", severity="CRITICAL", id="CVE-2099-0001", first_observed_at="-1d")
    return image("team/bad")
