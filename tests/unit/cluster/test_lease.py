"""Leader election in the time of a test; ``tests/e2e/kube/test_lease.py`` has the rest, on a real API server."""

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


def candidate(api: SlowApi, name: str) -> LeaderLease:
    return LeaderLease(
        cast("KubernetesApi", api),
        namespace="tidegate",
        name="background",
        candidate=name,
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
