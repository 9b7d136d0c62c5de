"""The background role as it is deployed: two replicas with the chart's rights, of which one leads, through every outage."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.background import BackgroundReplica, acquired_after, holder
from tests.chart.render import custom_resource_definitions
from tests.cluster import ControlPlane, wait_for
from tests.e2e.conftest import require_programs
from tests.gate import Gate
from tests.objects import ECR, POLICY, workload
from tests.simulator import Simulator, World


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A control plane of this module's own, two replicas and the AWS that they ask."""

    cluster: ControlPlane
    world: World
    gate: Gate
    replicas: tuple[BackgroundReplica, BackgroundReplica]

    @property
    def leader(self) -> BackgroundReplica:
        """The replica that leads."""
        (found,) = wait_for(lambda: [one for one in self.replicas if one.leads], what="a leader")
        return found

    @property
    def follower(self) -> BackgroundReplica:
        """The other one."""
        leader = self.leader
        return next(one for one in self.replicas if one is not leader)

    def deploy(self, namespace: str, image: str, name: str = "app") -> None:
        """Create a Deployment with one Pod."""
        manifest = workload("Deployment", image, name=name)
        manifest["metadata"]["namespace"] = namespace
        self.cluster.apply(manifest)

    def verdict(self, digest: str, outcome: str) -> dict[str, Any]:
        """Wait for an image's verdict."""

        def look() -> dict[str, Any]:
            items = self.cluster.get("imageverdicts")["items"]
            return next(
                (
                    one
                    for one in items
                    if (one["spec"]["digest"], one.get("status", {}).get("outcome")) == (digest, outcome)
                ),
                {},
            )

        return wait_for(look, what=f"the verdict {outcome} on {digest}", timeout_seconds=60)


@pytest.fixture(scope="module")
def installed(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Give an installation that tests may shake."""
    require_programs(pytestconfig)
    world = World()
    world.add_repository("team/web", mutability="IMMUTABLE")
    with ExitStack() as stack:
        cluster = stack.enter_context(ControlPlane(folder=tmp_path_factory.mktemp("background")))
        aws = stack.enter_context(Simulator(world))
        gate = stack.enter_context(Gate(cluster, aws, values={"background": {"callsPerSecond": 100}}))
        gate.apply_policy("production", POLICY)
        made = [
            stack.enter_context(BackgroundReplica(gate, name, simulated=aws.environment())) for name in ("one", "two")
        ]
        yield Installed(cluster=cluster, world=world, gate=gate, replicas=(made[0], made[1]))


def test_one_leads_and_the_other_follows(installed: Installed) -> None:
    """Both know the same Pods and verdicts; one writes."""
    digest = installed.world.add_image("team/web", "v1")
    namespace = installed.cluster.create_namespace()
    installed.deploy(namespace, f"{ECR}/team/web:v1")
    installed.verdict(digest, "Pass")
    leader, follower = installed.leader, installed.follower
    assert sum(one.leads for one in installed.replicas) == 1
    wait_for(
        lambda: leader.metric("tidegate_image_verdict_writes_total", result="created") == 1,
        what="the count of the write",
    )
    assert follower.metric("tidegate_image_verdict_writes_total") == 0
    wait_for(lambda: follower.metric("tidegate_running_images", outcome="Pass") == 1, what="the verdict at the other")
    wait_for(
        lambda: follower.metric("tidegate_running_pods") == leader.metric("tidegate_running_pods") == 1,
        what="the Pod at both",
    )


def test_a_killed_leader_is_followed_within_15_seconds_and_admission_goes_on(installed: Installed) -> None:
    leader, follower = installed.leader, installed.follower
    namespace = installed.cluster.create_namespace()
    installed.world.add_image("team/web", "v2", content="two")
    assert leader.process is not None
    leader.process.signal(signal.SIGKILL)
    killed, deadline = datetime.now(UTC), time.monotonic() + 60
    admitted = 0
    while not follower.leads:
        installed.deploy(namespace, f"{ECR}/team/web:v2", name=f"app-{admitted}")
        admitted += 1
        assert time.monotonic() < deadline
    # The times of the Lease make 13 s of it; the rest is for a busy machine.
    assert acquired_after(holder(installed.gate), killed) < 15
    assert admitted > 1
    leader.start()
    assert not leader.leads


def test_a_leader_that_ends_hands_over_at_once(installed: Installed) -> None:
    leader, follower = installed.leader, installed.follower
    assert leader.process is not None
    before = holder(installed.gate)["holderIdentity"]
    assert leader.process.stop(grace_seconds=20) == 0, "it was killed because it did not end"
    assert holder(installed.gate)["holderIdentity"] != before, "it was not released"
    wait_for(lambda: follower.leads, what="the other to lead")
    leader.start()
    assert holder(installed.gate)["holderIdentity"].startswith("background-")


def test_a_leader_ends_also_while_the_api_server_answers_nothing(installed: Installed) -> None:
    leader = installed.leader
    api_server = installed.cluster.find_program("kube-apiserver")
    api_server.signal(signal.SIGSTOP)
    try:
        # The Lease may take 2.5 s, calls without an answer 2 s, and the rest is for a busy machine.
        assert leader.process is not None
        assert leader.process.stop(grace_seconds=10) == 0
    finally:
        api_server.signal(signal.SIGCONT)
    leader.start()


def test_a_deleted_crd_is_survived_and_nothing_is_lost(installed: Installed) -> None:
    digest = installed.world.add_image("team/web", "v3", content="three")
    namespace = installed.cluster.create_namespace()
    installed.deploy(namespace, f"{ECR}/team/web:v3")
    before = installed.verdict(digest, "Pass")
    definition = next(
        one for one in custom_resource_definitions() if one["metadata"]["name"].startswith("imageverdicts")
    )
    installed.cluster.kubectl("delete", "crd", definition["metadata"]["name"])
    installed.cluster.apply_definitions(definition)
    again = installed.verdict(digest, "Pass")
    # What was known before is written: nothing was looked up again.
    assert again["status"]["evidence"]["observedAt"] == before["status"]["evidence"]["observedAt"]
    for one in installed.replicas:
        assert one.process is not None
        assert one.process.returncode is None


def test_outages_of_etcd_and_of_the_api_server_are_survived(installed: Installed) -> None:
    for program in ("etcd", "kube-apiserver"):
        process = installed.cluster.find_program(program)
        process.signal(signal.SIGSTOP)
        time.sleep(12)
        assert not any(one.leads for one in installed.replicas)
        process.signal(signal.SIGCONT)
        wait_for(lambda: any(one.leads for one in installed.replicas), what="a leader", timeout_seconds=60)
    digest = installed.world.add_image("team/web", "v4", content="four")
    namespace = installed.cluster.create_namespace()
    installed.deploy(namespace, f"{ECR}/team/web:v4")
    installed.verdict(digest, "Pass")
    assert all(one.get("/readyz")[0] == 200 for one in installed.replicas)
