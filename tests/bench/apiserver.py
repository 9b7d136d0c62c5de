"""What the webhook adds to the creation of a Pod through the real kube-apiserver, and how long the controller takes to start.

The same Pods are created as a server-side dry run, in turns with and without the webhook in the way, over kept-alive
connections of a bare HTTP client. A dry run goes through the whole of admission and leaves etcd alone.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.http_layer import TICKS
from tests.bench.reviews import ECR, review_of
from tests.bench.serving import POLICY, gate_on_one_core
from tests.cluster import ControlPlane, wait_for
from tests.cluster.kubeconfig import client_tls
from tests.gate import Gate
from tests.release import Release
from tests.simulator import World

PODS = 300
"""Pods created for each sample, over all connections together."""
CONNECTIONS = (1, 8, 32)


def run(*, rounds: int) -> dict[str, float]:
    """Return medians in milliseconds by name."""
    world = World()
    (tag, _), *_ = world.add_scanned_images("bench/app", 2)
    with gate_on_one_core(world) as gate:
        starts = [_restart(gate) for _ in range(rounds)]
        gate.apply_policy("bench", POLICY)
        body = json.dumps(pod_of(f"{ECR}/bench/app:{tag}")).encode()
        figures = added(gate, body, rounds, arm=lambda armed: _set_webhook(gate, body, armed=armed))
    return {"start to ready, s": statistics.median(starts), **figures}


def _restart(gate: Gate) -> float:
    """Stop the controller; return the seconds from the start of its next process to its saying that it is ready."""
    gate.stop()
    gate.start()
    assert gate.process is not None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_at(gate.process.pid)


def started_at(pid: int) -> float:
    """Return when a process was started, in seconds since the machine was; see proc_pid_stat(5), field 22."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[22 - 3]) / TICKS


def pod_of(image: str) -> dict[str, Any]:
    """Return a 7 KB Pod with two containers of the image, as it is created."""
    pod: dict[str, Any] = json.loads(review_of(image, image))["request"]["object"]
    pod["metadata"] = {"generateName": "bench-", "namespace": "bench"}
    pod["spec"].pop("serviceAccountName", None)
    pod["spec"]["volumes"] = [{"name": "token", "emptyDir": {}}]
    return pod


def added(release: Release, body: bytes, rounds: int, *, arm: Callable[[bool], None]) -> dict[str, float]:
    """Return what the webhook adds to the creation of a Pod in the namespace bench; ``arm`` puts it in the way or not."""
    samples: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds):
        for label, armed in (("without", False), ("with", True)):
            print(f"  round {number + 1}/{rounds}: {label} webhook", file=sys.stderr, flush=True)
            arm(armed)
            for connections in CONNECTIONS:
                samples.setdefault((label, connections), []).extend(_create(release.cluster, body, connections))
    figures = {}
    for connections in CONNECTIONS:
        bare, hooked = (sorted(samples[label, connections]) for label in ("without", "with"))
        figures[f"Pod creation without webhook, {connections} connections, median ms"] = statistics.median(bare) * 1e3
        more = statistics.median(hooked) - statistics.median(bare)
        figures[f"added by the webhook, {connections} connections, median ms"] = more * 1e3
        late = hooked[int(len(hooked) * 0.99)] - bare[int(len(bare) * 0.99)]
        figures[f"added by the webhook, {connections} connections, p99 ms"] = late * 1e3
    return figures


def _set_webhook(gate: Gate, body: bytes, *, armed: bool) -> None:
    """Put the webhook in the way or take it out, and wait until the API server does so."""
    if armed:
        gate.arm_configuration()
    else:
        gate.cluster.kubectl("delete", "validatingwebhookconfiguration", "tidegate", "--ignore-not-found")

    def settled() -> bool:
        before = gate.metric("tidegate_admission_decisions_total")
        _create(gate.cluster, body, 1, pods=1)
        return (gate.metric("tidegate_admission_decisions_total") > before) is armed

    wait_for(settled, what="the API server to know the webhook")


def _create(cluster: ControlPlane, body: bytes, connections: int, *, pods: int = PODS) -> list[float]:
    """Create Pods as dry runs over several connections; return the seconds that each took."""
    host, context = client_tls(cluster.admin_kubeconfig)
    seconds: list[float] = []
    problems: list[str] = []

    def work() -> None:
        connection = http.client.HTTPSConnection(host, context=context, timeout=30)
        try:
            for _ in range(max(1, pods // connections)):
                started = time.perf_counter()
                connection.request(
                    "POST",
                    "/api/v1/namespaces/bench/pods?dryRun=All",
                    body,
                    {"Content-Type": "application/json", "Accept": "application/json"},
                )
                answer = connection.getresponse()
                text = answer.read()
                seconds.append(time.perf_counter() - started)
                if answer.status != http.client.CREATED:
                    problems.append(text.decode()[:500])
                    return
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    with cluster.network():
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise SystemExit(f"the API server refused the Pod: {problems[0]}")
    return seconds


if __name__ == "__main__":
    print(json.dumps(run(rounds=3), indent=1))
