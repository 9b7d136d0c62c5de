"""The background role as a process beside a control plane: a replica of the chart's Deployment, with its rights."""

from __future__ import annotations

import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import yaml

from tests.chart import render as chart
from tests.cluster import Process
from tests.cluster.ports import free_ports
from tests.gate import Gate

READY_SECONDS = 60


class BackgroundReplica:
    """One replica of an installed tidegate: ``with BackgroundReplica(gate, "a") as replica``."""

    def __init__(self, gate: Gate, name: str, *, simulated: Mapping[str, str]) -> None:
        self._gate = gate
        self._name = f"background-{name}"
        self._simulated = simulated
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-background-")
        (self.port,) = free_ports(1)
        self.process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        objects, cluster, folder = self._gate.objects, self._gate.cluster, Path(self._folder.name)
        config = chart.controller_config(objects)
        config["server"] |= {"host": "127.0.0.1", "metricsPort": self.port}
        config["trustStores"]["cacheFolder"] = str(folder / "trust-stores")
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        role = chart.BACKGROUND
        account = chart.find(objects, "ServiceAccount", role=role)["metadata"]["name"]
        kubeconfig = cluster.token_kubeconfig(chart.NAMESPACE, account)
        given = chart.container_args(objects, role=role)
        arguments = [str(path) if one.endswith("config.yaml") else one for one in given]
        environment = chart.container_env(objects, role=role, pod=self._name) | dict(self._simulated)
        self.process = cluster.run_beside(
            self._name,
            [sys.executable, "-m", "tidegate", *arguments],
            environment=environment | {"KUBECONFIG": str(kubeconfig)},
        )
        self.process.wait_until(lambda: self.get("/readyz")[0] == 200, timeout_seconds=READY_SECONDS)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of a GET; 0 where nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError as problem:
            return 0, str(problem)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over the series that have these labels; 0 while nothing answers."""
        found = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            has_labels = all(f'{label}="{wanted}"' in series for label, wanted in labels.items())
            if series.partition("{")[0] == name and has_labels:
                found += float(value)
        return found

    @property
    def leads(self) -> bool:
        """Whether it says that it leads."""
        return self.metric("tidegate_background_leader") == 1


def acquired_after(spec: dict[str, Any], moment: datetime) -> float:
    """Return how many seconds after a moment the holder of a Lease has acquired it, by its own clock."""
    return (datetime.fromisoformat(spec["acquireTime"]) - moment).total_seconds()


def holder(gate: Gate) -> dict[str, Any]:
    """Return the spec of the Lease."""
    name = chart.controller_config(gate.objects)["background"]["leaseName"]
    spec: dict[str, Any] = gate.cluster.get("lease", name, "--namespace", chart.NAMESPACE)["spec"]
    return spec
