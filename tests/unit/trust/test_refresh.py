"""What is read by name in the background: at once when wanted, again when due, later and later while it fails."""

import asyncio
import itertools
import threading
from contextlib import asynccontextmanager

import pytest

from tests.waiting import until
from tidegate.trust import refresh
from tidegate.trust.refresh import Read, Refresh


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Source:
    """Answers with how often it was asked; fails for names that it is told to; holds those that it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: set[str] = set()
        self.constant = False
        self.held: dict[str, threading.Event] = {}

    def read(self, name: str, before: str | None) -> Read[str]:
        self.asked.append(name)
        if name in self.held:
            self.held[name].wait(20)
        if name in self.failing:
            return Read(answer=before or "unread")
        return Read(answer=name if self.constant else f"{name}{len(self.asked)}", again_seconds=100.0)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    monkeypatch.setattr(refresh, "JITTER", 0.0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def one(source: Source, clock: Clock) -> Refresh[str, str]:
    return Refresh(source.read, now=clock)


async def read_due(one: Refresh[str, str]):
    await asyncio.gather(*(one._read_one(name) for name in one._due()))


@asynccontextmanager
async def running(one: Refresh[str, str]):
    task = asyncio.create_task(one.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_read_that_nobody_wants(one, source):
    await read_due(one)
    assert source.asked == []
    assert one.answer("a") is None


async def test_what_is_wanted_is_read_once_until_it_is_due(one, source, clock):
    one.want(["a", "b"])
    await read_due(one)
    assert sorted(source.asked) == ["a", "b"]
    clock.seconds = 99.9
    await read_due(one)
    assert len(source.asked) == 2
    clock.seconds = 100.0
    await read_due(one)
    assert len(source.asked) == 4


async def test_what_is_no_longer_wanted_is_forgotten(one, source):
    one.want(["a"])
    await read_due(one)
    one.want(["b"])
    assert one.answer("a") is None
    one.want(["a"])
    await read_due(one)
    assert source.asked == ["a", "a"]


async def test_failures_are_tried_again_later_and_later(one, source, clock):
    source.failing = {"a"}
    one.want(["a"])
    tries = []
    while clock.seconds < 3000:
        before = len(source.asked)
        await read_due(one)
        if len(source.asked) > before:
            tries.append(clock.seconds)
        clock.seconds += 5
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


async def test_a_success_ends_the_count_of_failures(one, source, clock):
    source.failing = {"a"}
    one.want(["a"])
    for clock.seconds in (0.0, 5.0, 15.0):
        await read_due(one)
    source.failing = set()
    clock.seconds = 35.0
    await read_due(one)
    source.failing = {"a"}
    clock.seconds = 135.0
    await read_due(one)
    clock.seconds = 140.0
    await read_due(one)
    assert len(source.asked) == 6


async def test_a_reader_is_given_what_is_known(one, source, clock):
    one.want(["a"])
    await read_due(one)
    source.failing = {"a"}
    clock.seconds = 100.0
    await read_due(one)
    assert one.answer("a") == "a1"


async def test_news_are_told_and_nothing_else_is(one, source, clock):
    told = []
    one.notify(lambda: told.append(clock.seconds))
    source.constant = True
    one.want(["a"])
    await read_due(one)
    clock.seconds = 100.0
    await read_due(one)
    assert told == [0.0]
    source.constant = False
    clock.seconds = 200.0
    await read_due(one)
    assert told == [0.0, 200.0]


async def test_in_the_background_what_is_newly_wanted_is_read_at_once(one):
    async with running(one):
        one.want(["a"])
        await until(lambda: one.answer("a"))
        one.want(["a", "b"])
        await until(lambda: one.answer("b"))
        assert one.answer("a") == "a1"


async def test_in_the_background_what_is_due_is_read_again(source):
    def soon(name: str, before: str | None) -> Read[str]:
        return Read(answer=source.read(name, before).answer, again_seconds=0.001)

    one: Refresh[str, str] = Refresh(soon)
    async with running(one):
        one.want(["a"])
        await until(lambda: len(source.asked) >= 3)


async def test_a_slow_name_holds_up_no_other(one, source):
    source.held = {"slow": threading.Event()}
    async with running(one):
        one.want(["slow"])
        await until(lambda: source.asked)
        one.want(["slow", "a"])
        await until(lambda: one.answer("a"))
        assert one.answer("slow") is None
        assert source.asked == ["slow", "a"]
        source.held["slow"].set()
        await until(lambda: one.answer("slow"))


async def test_waiting_ends_when_all_is_known(one):
    async with running(one):
        one.want(["a", "b"])
        await one.wait(20)
        assert one.answer("a")
        assert one.answer("b")


async def test_waiting_ends_when_the_time_is_over(one, source):
    source.held = {"slow": threading.Event()}
    async with running(one):
        one.want(["slow"])
        await one.wait(0.01)
        assert one.answer("slow") is None
        source.held["slow"].set()


async def test_an_answer_to_what_is_no_longer_wanted_is_dropped(one, source):
    source.held = {"slow": threading.Event()}
    told = []
    one.notify(lambda: told.append("news"))
    async with running(one):
        one.want(["slow"])
        await until(lambda: source.asked)
        one.want(["a"])
        source.held["slow"].set()
        await until(lambda: one.answer("a"))
        one.want(["a", "slow"])
        await until(lambda: one.answer("slow"))
    assert source.asked.count("slow") == 2
