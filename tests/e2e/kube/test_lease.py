"""Leader election on a real API server: one leads, another follows it soon, and two never write both."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster import ControlPlane
from tests.e2e.kube.edge import aside
from tests.waiting import until
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.connection import load_configuration
from tidegate.cluster.lease import LeaderLease, LeaseTimes

PATIENT = LeaseTimes(lease=60, renew=40, retry=0.1, call=30)
"""No answer of a busy API server is too late, and no lease ends within a test."""
QUICK = LeaseTimes(lease=2, renew=1.4, retry=0.3, call=0.6)
"""For a leader whose lease has to end."""
NAME = "background"


@pytest.fixture
async def api(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesApi]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
    with contextlib.closing(KubernetesApi(load_configuration())) as made:
        yield made


@pytest.fixture
def lease_path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{NAME}"


def candidate(api: KubernetesApi, namespace: str, name: str, **more: Any) -> LeaderLease:
    return LeaderLease(api, namespace=namespace, name=NAME, candidate=name, **{"times": PATIENT, **more})


class Hanging:
    """An API server that answers nothing."""

    async def get(self, *_: Any) -> None:
        await asyncio.sleep(3600)

    replace = create = get


@contextlib.asynccontextmanager
async def running(*candidates: LeaderLease) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.run()) for one in candidates]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_leads_and_releases_at_its_end(api: KubernetesApi, namespace: str, lease_path: str) -> None:
    """On SIGTERM the run is cancelled: the other leads without waiting for the lease to end."""
    first = candidate(api, namespace, "first")
    second = candidate(api, namespace, "second")
    async with running(first) as (task,):
        await until(lambda: first.leads, what="a leader")
        async with running(second):
            await until(lambda: second.holder == first.identity, what="the second to see the first")
            assert not second.leads
            task.cancel()
            await until(lambda: second.leads, what="the second leader")
            assert not first.leads
    lease = await api.get(lease_path)
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_killed_leader_is_followed_by_another(api: KubernetesApi, namespace: str) -> None:
    """It releases nothing; the chart's times make that 10.5 s at most."""
    changes: list[bool] = []
    first = candidate(api, namespace, "first", times=QUICK)
    second = candidate(api, namespace, "second", changed=changes.append)
    while not first.leads:
        await first.attempt()
    async with running(second):
        await until(lambda: second.leads, what="another leader")
    assert (first.leads, second.leads) == (False, False)
    assert changes == [True, False]


async def test_clocks_that_differ_do_not_matter(api: KubernetesApi, namespace: str, lease_path: str) -> None:
    """The leader's wall clock is ten years behind, then ten ahead: the other measures by its own clock.

    The other's own clock passes two lengths of a lease, and half of one at most between two renewals.
    """
    for years in (-10, 10):
        wrong, now = timedelta(days=365 * years), [100.0]
        first = candidate(api, namespace, "first", now=lambda by=wrong: datetime.now(UTC) + by)
        second = candidate(api, namespace, "second", monotonic=lambda clock=now: clock[0])
        async with running(first) as (task,):
            await until(lambda: first.leads, what="a leader")  # noqa: B023
            async with running(second):
                await until(lambda: second.holder == first.identity, what="the second to see the first")  # noqa: B023
                for _ in range(4):
                    seen = second._seen[0]
                    now[0] += 0.5 * PATIENT.lease
                    await until(lambda: second._seen[0] != seen, what="a renewal that the second sees")  # noqa: B023
                    assert second.holder == first.identity
                assert first.leads
                assert not second.leads
                task.cancel()
                await until(lambda: second.leads, what="the second leader")  # noqa: B023
    assert (await api.get(lease_path))["spec"]["leaseTransitions"] >= 3


async def test_of_two_that_write_at_once_one_is_refused(api: KubernetesApi, namespace: str, lease_path: str) -> None:
    """Both have read the same free lease; each write names the version that was read."""
    seed = candidate(api, namespace, "seed")
    await seed.attempt()
    await seed._release()
    for _ in range(20):
        rivals = [candidate(api, namespace, f"rival-{n}") for n in range(4)]
        await asyncio.gather(*(one.attempt() for one in rivals))
        leaders = [one for one in rivals if one.leads]
        assert len(leaders) == 1
        assert (await api.get(lease_path))["spec"]["holderIdentity"] == leaders[0].identity
        await leaders[0]._release()


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin(
    api: KubernetesApi, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[float] = []
    first = candidate(
        api,
        namespace,
        "first",
        times=QUICK,
        changed=lambda leads: None if leads else ended.append(time.monotonic()),
    )
    second = candidate(api, namespace, "second")
    async with running(first):
        await until(lambda: first.leads, what="a leader")
        monkeypatch.setattr(first, "_api", Hanging())
        async with running(second):
            await until(lambda: second.leads, what="the second leader")
            began = time.monotonic()
        assert ended
        assert ended[0] < began


async def test_a_leader_whose_process_was_stopped_does_not_lead_on(api: KubernetesApi, namespace: str) -> None:
    """Leading is a question of time, asked before each write, and not of what a task has noticed."""
    now = [100.0]
    leader = candidate(api, namespace, "first", monotonic=lambda: now[0])
    await leader.attempt()
    assert leader.leads
    now[0] += PATIENT.renew
    assert not leader.leads


async def test_a_lease_that_another_client_wrote_for_years_ends_after_a_minute(
    control_plane: ControlPlane, api: KubernetesApi, namespace: str, lease_path: str
) -> None:
    seed = candidate(api, namespace, "seed")
    await seed.attempt()
    patch = '{"spec":{"holderIdentity":"nobody","leaseDurationSeconds":2000000000}}'
    await aside(control_plane.kubectl, "patch", "lease", NAME, "-n", namespace, "--type=merge", f"--patch={patch}")
    now = [100.0]
    other = candidate(api, namespace, "other", monotonic=lambda: now[0])
    await other.attempt()
    assert not other.leads
    now[0] += 61
    await other.attempt()
    assert other.leads
