"""tidegate as it is installed, on a node: how soon it is there, what a Pod takes, and what is lost when replicas go.

``python -m tests.bench node``: each event under 200 admission requests a second through the API server. Failed are requests
that the API server could not get decided; a wrong answer ends the run.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.apiserver import added, pod_of
from tests.chart.render import CHART, NAMESPACE, RELEASE
from tests.cluster import wait_for
from tests.cluster.node import NodeCluster
from tests.installed import Installed, push_controller_image, running_world, simulated_aws
from tests.load import Load
from tests.objects import CRITICAL, GOOD

WORLD = Path(__file__).resolve().parents[1] / "simulator" / "scenarios" / "demo.yaml"
DEMANDS = {
    "registries": [{"account": "111122223333", "region": "eu-west-1", "repositories": ["team/**"]}],
    "tags": {"immutable": True},
    "vulnerabilities": {"maxCounts": {"CRITICAL": 0}},
}
MEBIBYTE_KIBIBYTES = 1024
WEBHOOK = "validatingwebhookconfiguration"
BEFORE_SECONDS, QUIET_SECONDS = 3.0, 15.0
READY_SECONDS = 120.0
Figures = dict[str, float]


def run(*, rounds: int) -> Figures:
    """Return medians of the rounds by name."""
    with NodeCluster() as cluster, simulated_aws(cluster, running_world(WORLD)) as aws:
        installed = Installed(cluster, aws)
        push_controller_image(aws.world)
        started = time.monotonic()
        installed.helm("install", str(CHART), "--create-namespace", values=installed.values)
        installed.wait_for_rollout()
        ready = time.monotonic() - started
        installed.wait_until_called()
        figures = {
            "helm install to two Pods ready, the pull of the image included, s": ready,
            "helm install to the first refusal, s": time.monotonic() - started,
        }
        namespace = cluster.create_namespace("bench")
        installed.apply_policy("bench", DEMANDS, match={"namespaces": [namespace]})
        figures |= _pods(installed)
        figures |= _added(installed, rounds)
        events: tuple[tuple[str, int, Callable[[Installed], float]], ...] = (
            ("a rolling restart of two replicas", 2, _restart),
            ("kill -9 of one replica of two", 2, lambda each: _kill(each, 1)),
            ("kill -9 of one replica of three", 3, lambda each: _kill(each, 1)),
            ("kill -9 of both replicas", 2, lambda each: _kill(each, 2)),
        )
        for name, replicas, event in events:
            cluster.kubectl("scale", f"deployment/{RELEASE}", f"--namespace={NAMESPACE}", f"--replicas={replicas}")
            installed.wait_for_rollout()
            found = [_lost(installed, namespace, event) for _ in range(rounds)]
            figures |= {
                f"{name}: failed of 200 requests a second": statistics.median(lost for lost, _ in found),
                f"{name}: seconds until the last of them": statistics.median(seconds for _, seconds in found),
            }
    return figures


def _added(installed: Installed, rounds: int) -> Figures:
    """Return what the webhook adds to the creation of a Pod, through the chart's Service."""
    cluster = installed.cluster
    cluster.kubectl("create", "namespace", "bench")
    installed.apply_policy("bench-service", DEMANDS, match={"namespaces": ["bench"]})
    configuration = cluster.get(WEBHOOK, RELEASE)
    configuration["metadata"] = {key: configuration["metadata"][key] for key in ("name", "labels", "annotations")}

    def arm(armed: bool) -> None:
        if armed:
            # With the caBundle that it had: the controller need not write it again.
            cluster.kubectl("create", "-f", "-", stdin=json.dumps(configuration))
        else:
            cluster.kubectl("delete", WEBHOOK, RELEASE)
        wait_for(
            lambda: ("denied the request" in installed.try_image(CRITICAL, namespace="bench")) is armed,
            what="the API server to know the webhook",
        )

    figures = added(installed, json.dumps(pod_of(GOOD)).encode(), rounds, arm=arm)
    return {f"through the Service: {name}": value for name, value in figures.items()}


def _pods(installed: Installed) -> Figures:
    """Return how long a Pod takes to be ready where the image is there, and what memory its process has."""
    old = installed.pods()[0]["metadata"]["name"]
    known = {pod["metadata"]["name"] for pod in installed.pods()}
    installed.cluster.kubectl("delete", "pod", old, f"--namespace={NAMESPACE}", "--wait=false")
    began = time.monotonic()
    wait_for(
        lambda: [pod for pod in installed.pods() if pod["metadata"]["name"] not in known and _is_ready(pod)],
        what="another Pod",
        timeout_seconds=READY_SECONDS,
    )
    seconds = time.monotonic() - began
    resident = [_resident_mebibytes(pid) for pid in installed.processes()]
    return {"creation of a Pod to ready, s": seconds, "resident MiB of a Pod without images": max(resident)}


def _is_ready(pod: Any) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


def _resident_mebibytes(pid: int) -> float:
    (found,) = re.findall(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found) / MEBIBYTE_KIBIBYTES


def _lost(installed: Installed, namespace: str, event: Callable[[Installed], float]) -> tuple[int, float]:
    """Return how many requests failed, and how long after the event the last of them began."""
    # Fresh Pods: the kubelet starts a container that ended twice later each time.
    _restart(installed)
    installed.wait_for_rollout()
    time.sleep(QUIET_SECONDS)
    with Load(installed.cluster, namespace, admitted=GOOD, refused=CRITICAL) as load:
        time.sleep(BEFORE_SECONDS)
        began = load.now
        time.sleep(event(installed))
        installed.wait_for_rollout()
    if load.wrong:
        raise SystemExit(f"a wrong answer: {load.wrong[0].text}")
    last = max((each.began - began for each in load.failed), default=0.0)
    print(
        f"  {len(load.failed)} of {len(load.outcomes)} failed, the last after {last:.1f} s", file=sys.stderr, flush=True
    )
    return len(load.failed), last


def _kill(installed: Installed, count: int) -> float:
    for pid in installed.processes()[:count]:
        os.kill(pid, signal.SIGKILL)
    return 5.0


def _restart(installed: Installed) -> float:
    installed.cluster.kubectl("rollout", "restart", f"deployment/{RELEASE}", f"--namespace={NAMESPACE}")
    return 1.0
