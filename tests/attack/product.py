"""The product under attack: a real API server, the controller's process, and Pods that a tenant creates as dry runs."""

from __future__ import annotations

import functools
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import ControlPlane
from tests.cluster.kubeconfig import client_tls
from tests.gate import Gate
from tests.objects import pod, pod_spec
from tests.simulator import Simulator

EXCEPTIONS = "/apis/tidegate.dev/v1alpha1/namespaces/{}/namespacedimagepolicyexceptions"
REGISTRIES = {"registries": [{"account": "111122223333", "region": "eu-west-1"}]}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API server said to the creation of a Pod, and after how many seconds."""

    status: int
    text: str
    seconds: float

    @property
    def allowed(self) -> bool:
        """Tell whether the Pod would have been created."""
        return self.status == http.client.CREATED


class Product:
    """A running tidegate."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._host, self._context = client_tls(gate.cluster.admin_kubeconfig)
        self._local = threading.local()
        self._connections: list[http.client.HTTPSConnection] = []

    def close(self) -> None:
        """Close every connection to the API server."""
        for connection in self._connections:
            connection.close()

    def create_pod(self, *images: str, namespace: str = "default", dry_run: bool = True) -> Answer:
        """Create a Pod of these images as a dry run; each thread has a connection of its own."""
        tried = pod(images[0], spec=pod_spec(*images)) | {"metadata": {"generateName": "try-"}}
        path = f"/api/v1/namespaces/{namespace}/pods{'?dryRun=All' if dry_run else ''}"
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self._host, context=self._context, timeout=60)
            self._local.connection = connection
            self._connections.append(connection)
        began = time.monotonic()
        connection.request("POST", path, json.dumps(tried), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        return Answer(status=answer.status, text=text, seconds=time.monotonic() - began)

    @property
    def resident_mib(self) -> float:
        """Return the resident memory of the controller's process."""
        return self._status("VmRSS")

    @property
    def most_resident_mib(self) -> float:
        """Return the most resident memory that the controller's process ever had."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        process = self.gate.process
        assert process is not None
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


_kept = ExitStack()


@functools.cache
def _control_plane() -> ControlPlane:
    """Return the one that all scenarios of this process share: to start one takes as long as many of them."""
    return _kept.enter_context(ControlPlane(extra_arguments={"kube-apiserver": ["--audit-log-path="]}))


def end_control_plane() -> None:
    """End the control plane that the scenarios shared, if one of them needed it."""
    _kept.close()
    _control_plane.cache_clear()


@contextmanager
def product(
    aws: Simulator,
    *,
    requirements: Mapping[str, Any],
    namespaces: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Product]:
    """Run the product with one policy of these demands, beside a simulated AWS. The exceptions of its namespaces go at the end."""
    cluster = _control_plane()
    with Gate(cluster, aws, values=values, environment=environment) as gate:
        for namespace in namespaces:
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        gate.apply_policy("attacked", {**REGISTRIES, **requirements})
        try:
            with closing(Product(gate)) as running:
                yield running
        finally:
            for namespace in namespaces:
                cluster.kubectl("delete", "--raw", EXCEPTIONS.format(namespace))
