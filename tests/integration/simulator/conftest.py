"""A small world, served, and clients whose every response is held against botocore's shapes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.simulator.conformance import Watch
from tests.simulator import Clock, Simulator, World

OTHER = "444455556666"
APP = {"repositoryName": "team/app"}


@pytest.fixture
def world() -> World:
    world = World(clock=Clock())
    world.add_account(OTHER)
    return world


@pytest.fixture
def sim(world: World) -> Iterator[Simulator]:
    with Simulator(world) as running:
        yield running


@pytest.fixture
def client(sim: Simulator) -> Iterator[Callable[..., Any]]:
    watch, made = Watch(), []

    def make(service: str, **options: Any) -> Any:
        made.append(watch.over(sim.client(service, **options)))
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert not watch.wrong


@pytest.fixture
def assumed(client: Callable[..., Any]) -> dict[str, str]:
    """Credentials of the reader role in the other account."""
    role = f"arn:aws:iam::{OTHER}:role/tidegate-reader"
    answer = client("sts").assume_role(RoleArn=role, RoleSessionName="test")
    return dict(answer["Credentials"])
