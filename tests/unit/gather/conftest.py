"""Gathering in virtual time: waits take none, and what happens does not depend on the machine."""

import asyncio
from typing import Any

import pytest

from tests.unit.gather.collected import SCAN, TAG
from tests.unit.gather.fakes import FakeAws, Seen, build_limiters
from tests.unit.gather.virtual_time import LateExecutor, VirtualClock, VirtualLoop
from tidegate.gather.api_limiters import ApiLimiters
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import Lookups


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}


@pytest.fixture
async def clock() -> VirtualClock:
    """The clock of the test's own loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.clock


@pytest.fixture
def executor() -> LateExecutor:
    return LateExecutor()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


@pytest.fixture
async def limiters(clock, executor, seen, aws) -> ApiLimiters:
    return build_limiters(clock, executor, seen, accounting=aws.accounting)


@pytest.fixture
async def facts(aws, limiters, clock) -> Lookups:
    return Lookups(sources=aws.sources(), limiters=limiters, clock=clock, limit=1_000)


@pytest.fixture
async def collector(facts, clock) -> Collector:
    return Collector(facts, clock)


@pytest.fixture
def collect(collector, clock):
    async def run(reference=TAG, wanted=SCAN, *, within=60.0):
        return await collector.collect(reference, wanted, deadline=clock.monotonic() + within)

    return run
