"""Ids gather for a moment and go out in one call; each waiter gets its own answer, and no fate but its own."""

import asyncio

import pytest

from tests.unit.gather.fakes import OTHER, REGISTRY, build_limiters, unavailable
from tidegate.evidence.fact import Cause, Missing
from tidegate.evidence.source_unavailable import UnknownRegionError
from tidegate.gather import batch as batch_module
from tidegate.gather.api_limiter import RateLimit
from tidegate.gather.batch import WINDOW_SECONDS, Batcher
from tidegate.gather.throttle import FAILURES_TO_OPEN
from tidegate.images.repository import EcrRegistry

SOURCE = "ecr:DescribeImages"


class Batches:
    """A batcher over a call that answers each id with itself in upper case, unless told otherwise."""

    def __init__(self, limiters, *, size=3):
        self.calls = []
        self.answer = lambda ids: {each: each.upper() for each in ids}
        self.batcher = Batcher(size=size, limiter=lambda registry: limiters.limiter(SOURCE, registry), call=self.call)

    def call(self, registry, ids):
        self.calls.append(list(ids))
        return self.answer(ids)

    async def get(self, *ids, registry=REGISTRY):
        return await asyncio.gather(*(self.batcher.get(registry, each) for each in ids))


@pytest.fixture
async def batches(limiters):
    return Batches(limiters)


async def test_ids_of_one_moment_are_one_call(batches):
    assert await batches.get("a", "b", "c") == ["A", "B", "C"]
    assert batches.calls == [["a", "b", "c"]]


async def test_a_quiet_group_is_asked_without_waiting(batches, clock, executor):
    for one in "ab":
        began = clock.monotonic()
        await batches.get(one)
        assert clock.monotonic() - began == pytest.approx(executor.seconds)


@pytest.mark.parametrize(
    ("later", "calls"),
    [
        pytest.param(WINDOW_SECONDS / 2, [["first"], ["a", "b"]], id="within the window: one call"),
        pytest.param(WINDOW_SECONDS * 2, [["first"], ["a"], ["b"]], id="after it: two"),
    ],
)
async def test_while_a_call_is_under_way_ids_gather_for_the_window(batches, later, calls):
    under_way = asyncio.create_task(batches.get("first"))
    await asyncio.sleep(WINDOW_SECONDS)
    first = asyncio.create_task(batches.batcher.get(REGISTRY, "a"))
    await asyncio.sleep(later)
    assert await batches.batcher.get(REGISTRY, "b") == "B"
    assert await first == "A"
    await under_way
    assert batches.calls == calls


async def test_what_is_under_way_for_one_group_does_not_make_another_wait(batches, clock, executor):
    under_way = asyncio.create_task(batches.get("a", registry=OTHER))
    await asyncio.sleep(WINDOW_SECONDS)
    began = clock.monotonic()
    await batches.get("a")
    assert clock.monotonic() - began == pytest.approx(executor.seconds)
    await under_way


@pytest.mark.parametrize(
    ("ids", "sizes"),
    [("ab", [2]), ("abc", [3]), ("abcd", [3, 1]), ("abcdefg", [3, 3, 1])],
)
async def test_a_call_carries_no_more_than_its_size(batches, ids, sizes):
    assert await batches.get(*ids) == [each.upper() for each in ids]
    assert [len(each) for each in batches.calls] == sizes


async def test_full_batches_do_not_wait_for_each_other(batches, clock, executor):
    executor.seconds = 1.0
    began = clock.monotonic()
    await batches.get(*"abcdefghi")
    assert clock.monotonic() - began < 1.0 + 2 * WINDOW_SECONDS


async def test_calls_are_fullest_when_the_line_is_slowest(clock, executor, seen):
    limiters = build_limiters(clock, executor, seen, rate=RateLimit(per_second=1.0, burst=1))
    batches = Batches(limiters, size=100)
    await limiters.limiter(SOURCE, REGISTRY).turn()
    tasks = []
    for number in range(50):
        tasks.append(asyncio.create_task(batches.batcher.get(REGISTRY, f"id-{number}")))
        await asyncio.sleep(0.015)
    await asyncio.gather(*tasks)
    assert len(batches.calls) == 1


async def test_an_id_that_several_wait_for_is_asked_once(batches):
    assert await batches.get("a", "a", "b", "a") == ["A", "A", "B", "A"]
    assert batches.calls == [["a", "b"]]


async def test_each_group_has_its_own_calls(batches):
    here, there = await asyncio.gather(batches.get("a"), batches.get("a", registry=OTHER))
    assert here == there == ["A"]
    assert batches.calls == [["a"], ["a"]]


async def test_a_group_that_was_quiet_starts_again(batches):
    assert await batches.get("a") == ["A"]
    await asyncio.sleep(1)
    assert await batches.get("b") == ["B"]
    assert batches.batcher._queues == {}
    assert batches.batcher._under_way == {}
    await asyncio.sleep(1)
    assert batches.batcher._tasks == set()


async def test_an_id_that_the_answer_lacks_is_an_unexpected_answer_for_it_alone(batches):
    batches.answer = lambda ids: {"b": "B"}
    assert await batches.get("a", "b") == [Missing(Cause.UNEXPECTED_ANSWER, SOURCE), "B"]


async def test_an_error_for_one_id_is_missing_for_it_alone_and_the_operator_is_told(batches, seen):
    batches.answer = lambda ids: {each: each.upper() for each in ids} | {"a": unavailable(Cause.ACCESS_DENIED)}
    assert await batches.get("a", "b") == [Missing(Cause.ACCESS_DENIED, SOURCE), "B"]
    assert seen.open == [(SOURCE, 1, Cause.ACCESS_DENIED)]


async def test_an_answer_for_all_leaves_nothing_open(batches, seen):
    await batches.get("a", "b")
    assert seen.open == []


async def test_an_error_of_the_whole_call_is_everyones_and_is_told_as_one_call(batches, seen):
    def answer(ids):
        raise unavailable(Cause.THROTTLED)

    batches.answer = answer
    assert await batches.get("a", "b") == [Missing(Cause.THROTTLED, SOURCE)] * 2
    assert [cause for _, cause in seen.calls] == [Cause.THROTTLED]
    assert seen.open == []


async def test_an_unforeseen_exception_is_an_internal_error_for_all(batches):
    batches.answer = lambda ids: 1 / 0
    assert await batches.get("a", "b") == [Missing(Cause.INTERNAL, SOURCE)] * 2
    batches.answer = lambda ids: dict.fromkeys(ids, "fine")
    assert await batches.get("a") == ["fine"]


async def test_an_unknown_region_is_the_answer_for_all(batches):
    problem = UnknownRegionError("nowhere")

    def answer(ids):
        raise problem

    batches.answer = answer
    assert await batches.get("a", "b") == [problem, problem]


async def test_while_the_breaker_is_open_all_are_told_at_once(batches, clock):
    def answer(ids):
        raise unavailable(Cause.UNREACHABLE)

    batches.answer = answer
    for number in range(FAILURES_TO_OPEN):
        await batches.get(f"id-{number}")
    began = clock.monotonic()
    assert await batches.get(*"abcdefg") == [Missing(Cause.CIRCUIT_OPEN, SOURCE)] * 7
    assert clock.monotonic() - began == pytest.approx(WINDOW_SECONDS, abs=WINDOW_SECONDS)
    assert len(batches.calls) == FAILURES_TO_OPEN


@pytest.mark.parametrize(
    "moment",
    [pytest.param(0.0, id="while ids gather"), pytest.param(0.05, id="while the call is under way")],
)
async def test_a_waiter_that_gives_up_takes_nobody_with_it(batches, moment):
    quitter = asyncio.create_task(batches.batcher.get(REGISTRY, "a"))
    others = asyncio.create_task(batches.get("a", "b"))
    await asyncio.sleep(moment)
    quitter.cancel()
    assert await others == ["A", "B"]
    assert quitter.cancelled()
    assert batches.calls == [["a", "b"]]


async def test_too_many_ids_of_one_group_are_told_so_and_those_waiting_are_served(batches, monkeypatch):
    monkeypatch.setattr(batch_module, "MAX_QUEUED", 4)
    overloaded = Missing(Cause.OVERLOADED, SOURCE)
    assert await batches.get(*"abcdef") == ["A", "B", "C", "D", overloaded, overloaded]
    assert await batches.get("e") == ["E"]


async def test_an_id_that_waits_already_is_never_too_many(batches, monkeypatch):
    monkeypatch.setattr(batch_module, "MAX_QUEUED", 2)
    assert await batches.get("a", "b", "a", "b") == ["A", "B", "A", "B"]


async def test_without_a_line_nobody_waits_for_ever(clock):
    def limiter(registry):
        raise RuntimeError("no limiter")

    batcher = Batcher[EcrRegistry, str, str](size=3, limiter=limiter, call=lambda registry, ids: {})
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no limiter"):
            await batcher.get(REGISTRY, "a")


@pytest.mark.parametrize(
    "moment", [pytest.param(WINDOW_SECONDS / 2, id="while ids gather"), pytest.param(0.05, id="during the call")]
)
async def test_when_its_work_is_ended_nobody_waits_for_ever(batches, moment):
    under_way = asyncio.create_task(batches.get("c"))
    await asyncio.sleep(0.01)
    waiters = asyncio.create_task(batches.get("a", "b"))
    await asyncio.sleep(moment)
    for task in list(batches.batcher._tasks):
        task.cancel()
    assert await waiters == [Missing(Cause.UNEXPECTED_ANSWER, SOURCE)] * 2
    await under_way
    assert batches.batcher._under_way == {}
