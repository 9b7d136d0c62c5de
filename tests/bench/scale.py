"""What the background role costs in a large cluster: two replicas, the real kube-apiserver and etcd, the simulated AWS.

Images are read at a higher rate than by default, because they would take an hour; the calls are the same. Everything
after that is measured with two replicas that start anew, with the chart's defaults. The machine's cores are shared by
replicas, API server, etcd and the simulated AWS.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.background import BackgroundReplica
from tests.bench.population import ApiClient, ServedImage, populate, push
from tests.chart import render as chart
from tests.cluster import ControlPlane, Process, wait_for
from tests.gate import Gate
from tests.objects import image_policy
from tests.simulator import Simulator, World
from tidegate.background.writer import WRITES_AT_ONCE

IMAGES, QUICK_IMAGES = 10_000, 1_000
PODS_OF_AN_IMAGE = 2
SAMPLE = 500
SAMPLED = f"the first {SAMPLE} images with the defaults"
LATENCY_SECONDS = 0.03
FILL_CALLS_A_SECOND = 20
STEADY_SECONDS = 65
LONGEST_SECONDS = 1_200
VERDICTS = "/apis/tidegate.dev/v1alpha1/imageverdicts"
POLICY: dict[str, Any] = {
    "validationActions": ["Deny"],
    "registries": [{"account": "111122223333", "region": "eu-west-1"}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}
BARE = "a bare client replaces the same ImageVerdicts, s"
WRITTEN = "2030-01-02T03:04:05Z"
LOOK_SECONDS = 0.4
"""Wait between two looks at how many verdicts are written."""
FIRST = 500
"""Verdicts that are waited for first after a change of the policy."""
STRICTER = POLICY | {"vulnerabilities": {"maxCounts": {"CRITICAL": 0, "MEDIUM": 0}}}
PART_WITH_A_FINDING = 20
"""One of so many images gets a finding when many get one."""


@dataclass(kw_only=True)
class Simulation:
    """The running cluster, and what was measured."""

    cluster: ControlPlane
    aws: Simulator
    gate: Gate
    images: list[ServedImage]
    replicas: list[BackgroundReplica] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def leader(self) -> BackgroundReplica:
        """The replica that leads."""
        return wait_for(lambda: [one for one in self.replicas if one.leads], what="a leader", timeout_seconds=60)[0]

    def start(self, *, aws: Mapping[str, Any] | None = None, background: Mapping[str, Any] | None = None) -> None:
        """Start both replicas with the chart's defaults, changed by these values."""
        values = self.gate.values
        self.gate.objects = chart.render(
            {**values, "aws": {**values["aws"], **(aws or {})}, "background": dict(background or {})}
        )
        for one in self.replicas:
            one.start()

    def stop(self) -> None:
        """Stop the replicas that run."""
        for one in self.replicas:
            if one.process is not None and one.process.returncode is None:
                one.process.stop()

    def note(self, name: str, value: float) -> None:
        """Take a figure."""
        print(f"  {name}: {value:,.4g}", file=sys.stderr, flush=True)
        self.figures[name] = value

    @contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """Note the calls to AWS and the writes to etcd within a ``with`` block."""
        self.aws.reset_counters()
        puts, began = self.etcd("etcd_mvcc_put_total"), time.monotonic()
        yield
        minutes = (time.monotonic() - began) / 60
        self.note(f"{name}: minutes", minutes)
        calls: Counter[str] = Counter()
        for row in self.aws.journal.table():
            calls[f"{row['service']} {row['operation']}"] += int(row["calls"])
        for operation, count in sorted(calls.items()):
            self.note(f"{name}: calls of {operation}", count)
        self.note(f"{name}: calls of all APIs", calls.total())
        self.note(f"{name}: etcd writes", self.etcd("etcd_mvcc_put_total") - puts)

    def etcd(self, metric: str) -> float:
        """Return one of etcd's own figures."""
        with urllib.request.urlopen(f"{self.cluster.etcd}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric} "))

    def failing(self) -> float:
        """Return how many images fail, as their stored verdicts say."""
        return self.leader.metric("tidegate_running_images", outcome="Fail")

    def until_passed(self, count: int) -> None:
        """Wait until so many images have the verdict Pass."""
        self.until(lambda: self.leader.metric("tidegate_running_images", outcome="Pass") == count, "all verdicts")

    def until(self, is_so: Callable[[], bool], what: str) -> float:
        """Return the seconds until something is so."""
        began = time.monotonic()
        wait_for(is_so, what=what, timeout_seconds=LONGEST_SECONDS)
        return time.monotonic() - began

    def memory(self, when: str) -> None:
        """Note the resident memory of both replicas."""
        leader = self.leader
        for one in self.replicas:
            assert one.process is not None
            self.note(f"resident MiB of the {'leader' if one is leader else 'standby'} {when}", resident(one.process))


def run(*, quick: bool) -> dict[str, float]:
    """Return the figures by name."""
    # In an installation of its own: a restart before the changes are followed has every image read again, for hours.
    with installed(SAMPLE) as sample:
        fill_sample(sample)
    with installed(QUICK_IMAGES if quick else IMAGES) as simulation:
        simulation.figures = sample.figures
        populate(simulation.cluster, simulation.images, PODS_OF_AN_IMAGE)
        _fill(simulation)
        simulation.stop()
        _start_anew(simulation)
        _steady(simulation, STEADY_SECONDS)
        _find_one(simulation)
        _find_many(simulation)
        _change_the_policy(simulation)
        _kill_the_leader(simulation)
        simulation.stop()
        _replace_all(simulation)
        return simulation.figures


@contextmanager
def installed(count: int) -> Iterator[Simulation]:
    """Give a cluster with a policy and no Pods, and a registry with so many images."""
    world = World()
    images = push(world, count)
    arguments = {
        "kube-apiserver": ["--audit-log-path="],
        "kube-controller-manager": ["--controllers=-garbagecollector,-podgc,-replicaset"],
    }
    with (
        ControlPlane(extra_arguments=arguments) as cluster,
        Simulator(world, latency_seconds=LATENCY_SECONDS) as aws,
    ):
        gate = Gate(cluster, aws)
        gate.install()
        cluster.apply(image_policy("production", POLICY))
        simulation = Simulation(cluster=cluster, aws=aws, gate=gate, images=images)
        simulation.replicas = [BackgroundReplica(gate, name, simulated=aws.environment()) for name in ("one", "two")]
        try:
            yield simulation
        finally:
            simulation.stop()


def fill_sample(simulation: Simulation) -> None:
    """Judge some images for the first time with the chart's defaults, to see how many calls they take."""
    populate(simulation.cluster, simulation.images, PODS_OF_AN_IMAGE)
    with simulation.counted(SAMPLED):
        simulation.start()
        simulation.until_passed(SAMPLE)
    simulation.stop()


def _fill(simulation: Simulation) -> None:
    """Judge every image for the first time."""
    count = len(simulation.images)
    fast = {"ratePerSecond": FILL_CALLS_A_SECOND, "burst": FILL_CALLS_A_SECOND}
    with simulation.counted("filling"):
        simulation.start(aws=fast, background={"callsPerSecond": FILL_CALLS_A_SECOND})
        simulation.until_passed(count)
    simulation.note("images", count)
    simulation.note("Pods", count * PODS_OF_AN_IMAGE)
    stored = [len(json.dumps(one, separators=(",", ":"))) for one in ApiClient(simulation.cluster).list(VERDICTS)]
    simulation.note("ImageVerdicts", len(stored))
    simulation.note("bytes of an ImageVerdict, median", statistics.median(stored))
    simulation.note("bytes of an ImageVerdict, largest", max(stored))
    simulation.note("MiB of all ImageVerdicts", sum(stored) / 2**20)
    simulation.note(
        "MiB of etcd's database with all history", simulation.etcd("etcd_mvcc_db_total_size_in_bytes") / 2**20
    )
    simulation.memory("after filling")
    name = chart.controller_config(simulation.gate.objects)["imageVerdicts"]["changeFeed"]

    def is_followed() -> bool:
        stored = simulation.cluster.get("configmap", name, "--namespace", chart.NAMESPACE).get("data") or {}
        return bool(json.loads(stored.get("state") or "{}"))

    simulation.until(is_followed, "the progress of the change feed")


def _start_anew(simulation: Simulation) -> None:
    with simulation.counted("start with all verdicts stored"):
        simulation.start(aws={"eventQueueUrl": simulation.aws.world.add_queue()})
        count = len(simulation.images)
        simulation.until(
            lambda: simulation.leader.metric("tidegate_background_judgements_total") >= count,
            "every image judged again",
        )


def _steady(simulation: Simulation, seconds: float) -> None:
    with simulation.counted("steady state"):
        time.sleep(seconds)
    simulation.memory("in steady state")


def _find_one(simulation: Simulation) -> None:
    """Find something in one image, first without events and then with them."""
    world = simulation.aws.world
    for image, by_event in zip(simulation.images, (False, True), strict=False):
        world.queue().gets_events = by_event
        before = simulation.failing()
        world.add_finding(image.repository, image.digest, severity="CRITICAL")
        seconds = simulation.until(lambda before=before: simulation.failing() > before, "a verdict")  # type: ignore[misc]
        how = "an event" if by_event else "polling alone"
        simulation.note(f"a finding at AWS to the new verdict by {how}, s", seconds)


def _find_many(simulation: Simulation) -> None:
    """Find something in many images at once, as when a vulnerability of a shared base image becomes known."""
    world = simulation.aws.world
    world.queue().gets_events = True
    before = simulation.failing()
    hit = simulation.images[PART_WITH_A_FINDING::PART_WITH_A_FINDING]
    with simulation.counted(f"findings in {len(hit):,} images"):
        for image in hit:
            world.add_finding(image.repository, image.digest, severity="CRITICAL", id="CVE-2026-99999")
        simulation.until(lambda: simulation.failing() >= before + len(hit), "all new verdicts")


def _change_the_policy(simulation: Simulation) -> None:
    """Change the policy so that every verdict changes."""
    count, leader = len(simulation.images), simulation.leader

    def failing() -> float:
        # Its metrics take the leader some milliseconds of those that are measured.
        time.sleep(LOOK_SECONDS)
        return leader.metric("tidegate_running_images", outcome="Fail")

    failed = failing()
    with simulation.counted("a changed policy"):
        simulation.cluster.apply(image_policy("production", STRICTER))
        seconds = simulation.until(lambda: failing() >= failed + FIRST, f"the first {FIRST} verdicts")
        simulation.note(f"a changed policy: s until the first {FIRST} that turned bad are written", seconds)
        simulation.until(lambda: failing() == count, "all verdicts by the new policy")
    simulation.note("a changed policy: s until all are judged", leader.metric("tidegate_background_rejudged_seconds"))
    simulation.note("a changed policy: s until all are written", simulation.figures["a changed policy: minutes"] * 60)
    simulation.memory("after all verdicts changed")
    simulation.note(
        "largest resident MiB of a replica",
        max(resident(one.process, "VmHWM") for one in simulation.replicas if one.process is not None),
    )


def _kill_the_leader(simulation: Simulation) -> None:
    leader = simulation.leader
    other = next(one for one in simulation.replicas if one is not leader)
    assert leader.process is not None
    leader.process.signal(signal.SIGKILL)
    simulation.note("SIGKILL of the leader until another leads, s", simulation.until(lambda: other.leads, "a leader"))


def resident(process: Process, kind: str = "VmRSS") -> float:
    """Return the memory of a process in MiB: what is resident, or with VmHWM the most that was."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) / 1024


def _replace_all(simulation: Simulation) -> None:
    """Replace every ImageVerdict once more, without a replica that runs: what the API server and etcd alone take."""
    account = chart.find(simulation.gate.objects, "ServiceAccount", role=chart.BACKGROUND)["metadata"]["name"]
    client = ApiClient(simulation.cluster, account=account, connections=WRITES_AT_ONCE)
    stored = list(client.list(VERDICTS))
    for one in stored:
        one["status"]["writtenAt"] = WRITTEN
    began = time.monotonic()
    client.send(("PUT", f"{VERDICTS}/{one['metadata']['name']}", one) for one in stored)
    simulation.note(BARE, time.monotonic() - began)
