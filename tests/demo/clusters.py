"""What the demo runs on: a cluster with a node where the machine allows it, and else a control plane alone."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import ControlPlane, ToolchainError, program
from tests.cluster.node import NodeCluster
from tests.demo.stage import say
from tests.gate import Gate
from tests.installed import Installed, prepare_node, running_world, simulated_aws
from tests.prerequisites import in_ci
from tests.simulator import Simulator, scenario

# What the demo shows are its own policies; one replica, since some scenes show what a replica remembers.
VALUES = {"baselinePolicy": {"enabled": False}, "replicas": 1}


@dataclass(frozen=True, kw_only=True)
class DemoCluster:
    """A cluster whose tidegate asks the simulated AWS; ``metrics`` is the command that shows tidegate's metrics."""

    cluster: ControlPlane
    aws: Simulator
    runs_pods: bool
    metrics: str


@contextlib.contextmanager
def demo_cluster() -> Iterator[DemoCluster]:
    """Start a cluster with tidegate, telling each step and its seconds; raise ToolchainError where a part is missing."""
    if not (lacking := prepare_node()):
        with _on_a_node() as found:
            yield found
        return
    if in_ci():
        raise ToolchainError(lacking)
    say(f"No Pod will run: {lacking}.")
    with _on_a_control_plane() as found:
        yield found


@contextlib.contextmanager
def _on_a_node() -> Iterator[DemoCluster]:
    with contextlib.ExitStack() as stack:
        with _told("Kubernetes with a node"):
            cluster = stack.enter_context(NodeCluster())
            cluster.add_node("linux", "arm64")
        with _told("a simulated AWS with images to pull"):
            aws = stack.enter_context(simulated_aws(cluster, running_world(scenario.DEMO)))
            queue = {"aws": {"region": aws.world.region, "eventQueueUrl": aws.world.add_queue()}}
        with _told("tidegate, installed by helm"):
            stack.enter_context(Installed(cluster, aws, values=VALUES | queue))
        metrics = "kubectl get --raw /api/v1/namespaces/tidegate/services/tidegate-metrics:metrics/proxy/metrics"
        yield DemoCluster(cluster=cluster, aws=aws, runs_pods=True, metrics=metrics)


@contextlib.contextmanager
def _on_a_control_plane() -> Iterator[DemoCluster]:
    with contextlib.ExitStack() as stack:
        with _told("a Kubernetes control plane"):
            cluster = stack.enter_context(ControlPlane())
            for architecture in ("amd64", "arm64"):
                cluster.add_node("linux", architecture)
        with _told("a simulated AWS"):
            aws = stack.enter_context(Simulator(scenario.load(scenario.DEMO)))
        with _told("tidegate"):
            gate = stack.enter_context(Gate(cluster, aws))
        metrics = f"curl http://127.0.0.1:{gate.metrics_port}/metrics"
        yield DemoCluster(cluster=cluster, aws=aws, runs_pods=False, metrics=metrics)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"  {time.monotonic() - started:5.1f} s  {what}", flush=True)


def write_kubectl(cluster: ControlPlane, folder: Path) -> Path:
    """Write a kubectl that reaches the cluster from any terminal of this machine; return its folder."""
    target = folder / "bin" / "kubectl"
    target.parent.mkdir()
    target.write_text(f'#!/bin/sh\nexec {shlex.join(cluster.reach([str(program("kubectl"))]))} "$@"\n')
    target.chmod(0o755)
    return target.parent
