"""Leader election in the time of a test; ``tests/e2e/kube/test_lease.py`` has the rest, on a real API server."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.lease import LeaderLease, LeaseTimes

TIMES = LeaseTimes()


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
        self.lease = {**lease, "metadata": {"name": "background", "resourceVersion": str(self.version)}}
        return self.lease


def candidate(api: SlowApi, name: str, times: LeaseTimes = TIMES) -> LeaderLease:
    return LeaderLease(
        cast("KubernetesApi", api),
        namespace="tidegate",
        name="background",
        candidate=name,
        times=times,
        monotonic=lambda: api.now,
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


def test_a_killed_leader_is_followed_within_15_seconds_also_if_one_read_has_no_answer():
    assert TIMES.lease + 2 * TIMES.retry + TIMES.attempt + TIMES.retry < 15.0
    assert 2 * TIMES.attempt < TIMES.renew < TIMES.lease


async def test_a_read_without_an_answer_takes_no_longer_than_an_attempt(monkeypatch):
    """The next attempt follows, in time for a leader to renew and for another to take its place."""
    api = SlowApi()
    times = replace(TIMES, attempt=0.05)
    leader, other = candidate(api, "leader", times), candidate(api, "other", times)
    await leader.attempt()

    async def never(_path: str) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    for one in (leader, other):
        with monkeypatch.context() as silent:
            silent.setattr(api, "get", never)
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
