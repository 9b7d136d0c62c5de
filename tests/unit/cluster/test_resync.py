"""Refreshing again and again: at once, after a trigger, after a failure; and what is told of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tidegate.cluster import resync
from tidegate.cluster.resync import Resync


class Source:
    """Counts refreshes; fails while it is told to; can be held in the middle of one."""

    def __init__(self) -> None:
        self.refreshed = 0
        self.broken = ""
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def refresh(self) -> None:
        self.refreshed += 1
        await self.may_end.wait()
        if self.broken:
            raise RuntimeError(self.broken)


@asynccontextmanager
async def running(source: Source, **settings: float) -> AsyncIterator[Resync]:
    one = Resync("things", source.refresh, **settings)
    task = asyncio.create_task(one.run())
    yield one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(question: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not question():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing here is about how long a pause is."""
    for name in ("DEBOUNCE_SECONDS", "FIRST_RETRY_SECONDS", "LAST_RETRY_SECONDS"):
        monkeypatch.setattr(resync, name, 0.01)


async def test_it_refreshes_at_once_and_then_waits():
    source = Source()
    async with running(source) as one:
        assert one.age_seconds == float("inf")
        await until(lambda: one.age_seconds < 60)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert source.refreshed == 1


async def test_a_burst_of_triggers_makes_one_refresh():
    source = Source()
    async with running(source) as one:
        await until(lambda: one.age_seconds < 60)
        for _ in range(100):
            one.trigger()
        await until(lambda: source.refreshed == 2)
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert source.refreshed == 2


async def test_a_trigger_during_a_refresh_makes_another():
    """The list may have been read before what triggered it, so it does not count for that."""
    source = Source()
    source.may_end.clear()
    async with running(source) as one:
        await until(lambda: source.refreshed == 1)
        one.trigger()
        source.may_end.set()
        await until(lambda: source.refreshed == 2)


async def test_it_refreshes_in_regular_time_without_any_trigger():
    source = Source()
    async with running(source, every_seconds=0.01):
        await until(lambda: source.refreshed >= 3)


async def test_a_failure_is_tried_again_and_told_meanwhile():
    source = Source()
    source.broken = "no API server"
    async with running(source) as one:
        await until(lambda: one.failures >= 3)
        assert one.problem == "no API server"
        assert one.age_seconds == float("inf")
        source.broken = ""
        await until(lambda: one.failures == 0)
        assert one.problem == ""
        assert one.age_seconds < 60


async def test_a_failure_without_words_is_still_a_problem():
    async def refresh() -> None:
        raise TimeoutError

    one = Resync("things", refresh)
    assert not await one.refresh_once()
    assert one.problem == "TimeoutError"


async def test_cancelling_ends_it():
    """A refresh that catches everything must not catch its own end."""
    source = Source()
    source.may_end.clear()
    task = asyncio.create_task(Resync("things", source.refresh).run())
    await until(lambda: source.refreshed == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
