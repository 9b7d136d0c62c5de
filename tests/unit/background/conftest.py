"""The leader's work in virtual time, on a cluster in memory and an AWS in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from tests.unit.background.cluster import FakeApi, Labels, Nodes, Snapshots
from tests.unit.background.web import STRICT
from tests.unit.builders import full_policy
from tests.unit.gather.fakes import FakeAws, Seen, build_limiters
from tests.unit.gather.virtual_time import LateExecutor, VirtualClock, VirtualLoop
from tidegate.background import looks
from tidegate.background.counts import Counts
from tidegate.background.events import Events
from tidegate.background.evidence import HeldEvidence
from tidegate.background.judging import UsesJudge
from tidegate.background.owners import Owners
from tidegate.background.running import PodTable
from tidegate.background.schedule import Schedule
from tidegate.background.stored import VerdictHeads
from tidegate.background.work import Work
from tidegate.background.writer import VerdictWriter
from tidegate.cluster.api import KubernetesApi
from tidegate.gather.collector import Collector
from tidegate.gather.lookups import Lookups
from tidegate.policy.snapshot import PolicySnapshot
from tidegate.verdicts.usage import RunningPod


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}


@dataclass(kw_only=True)
class Leader:
    """A leader at work, and all that it works with."""

    api: FakeApi
    aws: FakeAws
    clock: VirtualClock
    policies: Snapshots
    labels: Labels
    nodes: Nodes
    pods: PodTable
    stored: VerdictHeads
    evidence: HeldEvidence
    counts: Counts
    schedule: Schedule
    owners: Owners
    work: Work
    leads: bool = True
    unbroken_since: datetime | None = None
    gap: timedelta | None = timedelta(0)
    silence_seconds: float = 0.0

    def run_pods(self, *pods: tuple[str, RunningPod]) -> None:
        for one in pods:
            self.pods.put(*one)

    def set_policies(self, *policies: Any) -> None:
        self.policies.snapshot = PolicySnapshot.of(policies)

    async def settle(self, seconds: float = 5.0) -> None:
        """Let the work go on for so long in virtual time."""
        await asyncio.sleep(seconds)

    def counted(self, counter: Any, *labels: str) -> int:
        found: int = counter._counts.get(labels, 0)
        return found

    @property
    def status(self) -> dict[str, Any]:
        """The status of the only verdict."""
        (one,) = self.api.verdicts
        status: dict[str, Any] = one["status"]
        return status


@pytest.fixture
async def leader() -> Leader:
    """Give a leader whose work has not begun."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    clock, api, aws, counts = loop.clock, FakeApi(), FakeAws(), Counts()
    limiters = build_limiters(clock, LateExecutor(), Seen(), accounting=aws.accounting)
    facts = Lookups(sources=aws.sources(), limiters=limiters, clock=clock, limit=1_000)
    schedule = Schedule(clock)
    policies, labels, nodes = Snapshots(PolicySnapshot.of([full_policy()])), Labels(), Nodes()
    pods = PodTable()
    stored = VerdictHeads(whole=facts.offer, gone=facts.stored.drop)
    evidence = HeldEvidence(collector=Collector(facts, clock), facts=facts, clock=clock)
    kubernetes = cast("KubernetesApi", api)
    owners = Owners(kubernetes, monotonic=clock.monotonic)
    writer = VerdictWriter(
        kubernetes,
        stored=stored,
        clock=clock,
        counts=counts,
        leads=lambda: made.leads,
        again=schedule.add_later,
        unbroken_since=lambda _: made.unbroken_since,
    )
    work = Work(
        pods=pods,
        stored=stored,
        judge=UsesJudge(policies=policies, namespaces=labels, platforms=nodes, clock=clock),
        evidence=evidence,
        owners=owners,
        writer=writer,
        events=Events(kubernetes, clock=clock, counts=counts),
        schedule=schedule,
        clock=clock,
        counts=counts,
        gap=lambda: made.gap,
        silence_seconds=lambda: made.silence_seconds,
    )
    made = Leader(
        api=api,
        aws=aws,
        clock=clock,
        policies=policies,
        labels=labels,
        nodes=nodes,
        pods=pods,
        stored=stored,
        evidence=evidence,
        counts=counts,
        schedule=schedule,
        owners=owners,
        work=work,
    )
    return made


@asynccontextmanager
async def at_work(leader: Leader) -> AsyncIterator[None]:
    """Have the leader work, which must not end by itself."""
    task = asyncio.create_task(leader.work.run())
    await asyncio.sleep(0)
    yield
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def working(leader: Leader) -> AsyncIterator[Leader]:
    """Give a leader at work."""
    async with at_work(leader):
        yield leader


@pytest.fixture
def strict(leader: Leader) -> None:
    """Have critical vulnerabilities refused, and the Pods belong to a Deployment."""
    leader.set_policies(STRICT)
    leader.api.own("ReplicaSet", "shop", "web-1", ("apps/v1", "Deployment", "web"))


@pytest.fixture
def _days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the work look around less often, so that days of virtual time take no minutes."""
    monkeypatch.setattr(looks, "LOOK_AT_POLICIES_SECONDS", 900.0)
    monkeypatch.setattr(looks, "LOOK_AT_PODS_SECONDS", 900.0)
