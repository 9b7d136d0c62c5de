"""Leader election in the time of a test; ``tests/e2e/kube/test_lease.py`` has the rest, on a real API server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from tests.unit.gather.virtual_time import VirtualClock, VirtualLoop
from tidegate.cluster.api import CONFLICT, ApiError, KubernetesApi
from tidegate.cluster.lease import WORKED, LeaderLease, LeaseTimes

TIMES = LeaseTimes()
START = datetime(2026, 3, 1, tzinfo=UTC)


class SlowApi:
    """One Lease. A read takes ``seconds`` until the API server looks at it, and no time from there."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seconds = 0.0
        self.lease: dict[str, Any] = {}
        self.version = 0
        self.meanwhile: list[LeaderLease] = []

    async def get(self, _path: str) -> dict[str, Any]:
        self.now += self.seconds
        self.seconds = 0.0
        for one in self.meanwhile:
            self.meanwhile = []
            await one.attempt()
        return self.lease

    async def replace(self, _path: str, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}
        return self.lease


def candidate(
    api: SlowApi, name: str, times: LeaseTimes = TIMES, works: Callable[[], bool] = lambda: False
) -> LeaderLease:
    return LeaderLease(
        cast("KubernetesApi", api),
        namespace="tidegate",
        name="background",
        candidate=name,
        times=times,
        monotonic=lambda: api.now,
        now=lambda: START + timedelta(seconds=api.now),
        works=works,
    )


async def test_a_slow_read_lets_no_candidate_begin_before_the_leader_has_ended():
    """The leader renews while the read of the other is under way, and then loses the API server."""
    api = SlowApi()
    leader, other = candidate(api, "leader"), candidate(api, "other")
    await leader.attempt()
    assert leader.leads
    api.seconds, api.meanwhile = 5.0, [leader]
    await other.attempt()
    seen = [(leader.leads, other.leads)]
    while any(seen[-1]) and len(seen) < 1_000:
        api.now += 0.1
        await other.attempt()
        seen.append((leader.leads, other.leads))
    assert set(seen) == {(True, False), (False, False)}
    api.now += TIMES.lease - TIMES.renew
    await other.attempt()
    assert other.leads


async def test_a_leader_knows_how_long_no_leader_was_at_work(monkeypatch: pytest.MonkeyPatch):
    """A leader that is not ready, or whose write had no answer, was not at work."""
    api, works = SlowApi(), False
    first, second = candidate(api, "first", works=lambda: works), candidate(api, "second")
    await first.attempt()
    assert (first.leads, first.gap) == (True, None)
    works = True
    await first.attempt()
    assert first.gap == timedelta(0)
    api.now += 5.0
    works = False
    await first.attempt()
    assert (first.leads, first.gap) == (True, timedelta(seconds=5))
    await second.attempt()
    api.now += 395.0

    async def unanswered(path: str, lease: dict[str, Any]) -> dict[str, Any]:
        await SlowApi.replace(api, path, lease)
        raise TimeoutError

    with monkeypatch.context() as silent:
        silent.setattr(api, "replace", unanswered)
        await second.attempt()
    assert not second.leads
    for _ in range(2):
        await second.attempt()
        assert (second.leads, second.gap) == (True, timedelta(seconds=400))


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-01T00:00:00", 7])
async def test_a_time_of_work_that_is_none_is_not_used(text: object):
    api = SlowApi()
    api.lease = {"metadata": {"resourceVersion": "1", "annotations": {WORKED: text}}, "spec": {"holderIdentity": ""}}
    leader = candidate(api, "leader")
    await leader.attempt()
    assert (leader.leads, leader.gap) == (True, None)


def test_a_killed_leader_is_followed_within_15_seconds_also_if_one_read_has_no_answer():
    assert TIMES.lease + 2 * TIMES.retry + TIMES.call < 15.0
    assert 2 * TIMES.call < TIMES.renew < TIMES.lease


async def test_a_call_without_an_answer_is_given_up(monkeypatch):
    """The next attempt follows, in time for a leader to renew and for another to take its place."""
    api = SlowApi()
    times = replace(TIMES, call=0.05)
    leader, other = candidate(api, "leader", times), candidate(api, "other", times)
    await leader.attempt()

    async def never(*_: Any) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    for one in (leader, other):
        with monkeypatch.context() as silent:
            silent.setattr(api, "get", never)
            silent.setattr(api, "replace", never)
            await asyncio.wait_for(one.attempt(), timeout=TIMES.renew / 2)
        assert one.problem == "no answer in time"
        assert leader.leads
    await leader.attempt()
    assert leader.problem == ""
    api.now += TIMES.lease
    await other.attempt()
    api.now += TIMES.lease
    await other.attempt()
    assert other.leads


class BusyApi:
    """One Lease. Each call takes ``seconds`` of virtual time, and is done also where its caller has given it up.

    A write takes ``writing`` seconds more. ``silent`` calls have no answer. ``sent`` is set by each write.
    """

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        self.clock, self.seconds, self.silent = clock, seconds, 0
        self.lease: dict[str, Any] = {"metadata": {"name": "background", "resourceVersion": "0"}, "spec": {}}
        self.asked: list[tuple[str, float]] = []
        self.writing = 0.0
        self.sent = asyncio.Event()
        self._calls = set[asyncio.Task[dict[str, Any]]]()

    async def get(self, _path: str) -> dict[str, Any]:
        return await self._call("GET", None)

    async def replace(self, _path: str, lease: dict[str, Any]) -> dict[str, Any]:
        return await self._call("PUT", lease)

    async def _call(self, method: str, lease: dict[str, Any] | None) -> dict[str, Any]:
        self.asked.append((method, self.clock.monotonic()))
        if lease is not None:
            self.sent.set()
        call = asyncio.create_task(self._work(lease))
        self._calls.add(call)
        return await asyncio.shield(call)

    async def _work(self, lease: dict[str, Any] | None) -> dict[str, Any]:
        if self.silent:
            self.silent -= 1
            await asyncio.sleep(3_600)
        await asyncio.sleep(self.seconds if lease is None else self.seconds + self.writing)
        if lease is not None:
            version = self.lease["metadata"]["resourceVersion"]
            if lease["metadata"]["resourceVersion"] != version:
                raise ApiError("it has changed", status=CONFLICT)
            self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(int(version) + 1)}}
        return self.lease


@contextlib.asynccontextmanager
async def busy(
    seconds: float, *names: str
) -> AsyncIterator[tuple[BusyApi, list[LeaderLease], list[asyncio.Task[None]]]]:
    """Give candidates at work, on an API server that takes so long for each call."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    api = BusyApi(loop.clock, seconds)
    made = [
        LeaderLease(cast("KubernetesApi", api), namespace="", name="", candidate=name, monotonic=loop.clock.monotonic)
        for name in names
    ]
    tasks = [asyncio.create_task(one.run()) for one in made]
    yield api, made, tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def in_virtual_time(test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(test)


def test_a_slow_api_server_has_a_leader_that_stays():
    """Each call is answered in time, though a read and a write together take longer than one call may."""

    async def follow() -> None:
        async with busy(0.9 * TIMES.call, "one") as (_, (one,), _):
            await asyncio.sleep(2 * TIMES.call)
            for _ in range(1_000):
                assert one.leads
                await asyncio.sleep(0.1)

    in_virtual_time(follow())


def test_a_killed_leader_is_followed_also_if_the_api_server_is_slow():
    async def follow() -> None:
        async with busy(0.9 * TIMES.call, "one", "two") as (_, candidates, tasks):
            await asyncio.sleep(30)
            (leader,) = [one for one in candidates if one.leads]
            (other,) = [one for one in candidates if one is not leader]
            leader._release = asyncio.Event().wait  # type: ignore[method-assign,assignment]
            tasks[candidates.index(leader)].cancel()
            # Its last renewal is under way when it is killed, and read late; then the other reads and writes once more.
            await asyncio.sleep(TIMES.lease + 4 * TIMES.call)
            assert other.leads

    in_virtual_time(follow())


def test_a_call_without_an_answer_is_followed_by_the_next_at_once():
    async def follow() -> None:
        async with busy(0.01, "one") as (api, (one,), _):
            await asyncio.sleep(5)
            api.silent = 2
            api.asked.clear()
            await asyncio.sleep(2 * TIMES.call + TIMES.retry)
            assert one.leads
            moments = [at for _, at in api.asked]
            assert moments[1] - moments[0] < TIMES.call + 0.1
            assert moments[2] - moments[1] < TIMES.call + 0.1

    in_virtual_time(follow())


def test_a_leader_renews_with_one_call():
    async def follow() -> None:
        async with busy(0.01, "one") as (api, (one,), _):
            await asyncio.sleep(60)
            assert [method for method, _ in api.asked].count("GET") == 1
            # Another client writes the Lease: it is read again, once.
            api.lease = {**api.lease, "metadata": {"name": "background", "resourceVersion": "1000"}}
            await asyncio.sleep(60)
            assert one.leads
            assert [method for method, _ in api.asked].count("GET") == 2

    in_virtual_time(follow())


def test_a_leader_that_ends_while_it_renews_releases_the_lease():
    """The renewal is stored all the same, so that the Lease has another version than the one that was read."""

    async def follow() -> None:
        async with busy(0.01, "one") as (api, (one,), (task,)):
            await asyncio.sleep(5)
            api.writing = 0.5
            api.sent.clear()
            await api.sent.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert api.lease["spec"]["holderIdentity"] == one.holder == ""

    in_virtual_time(follow())
