"""The whole product running for a test, the demo or a benchmark: what the chart renders, on a real API server.

    with ControlPlane() as cluster, Simulator(world) as aws, Gate(cluster, aws) as gate:
        gate.apply_policy("production", {"tags": {"immutable": True}})
        cluster.apply(deployment, check=False)

The controller is a local process with the rights of the chart's ServiceAccount and the chart's configuration; only where
it listens, its certificate and the webhook's address (a URL) are replaced.
"""

from __future__ import annotations

import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import yaml

from tests.chart import render as chart
from tests.cluster import ControlPlane, Process, wait_for
from tests.cluster.ports import free_ports
from tests.release import Release
from tests.simulator import Simulator

READY_SECONDS = 60


class Gate(Release):
    """tidegate, installed from its chart."""

    def __init__(
        self,
        cluster: ControlPlane,
        aws: Simulator,
        *,
        values: Mapping[str, Any] | None = None,
        name: str = "controller",
        log_level: str = "info",
        command_prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(cluster)
        self._aws = aws
        self._name = name
        self.command_prefix = tuple(command_prefix)
        self._environment = dict(environment or {})
        self.values: dict[str, Any] = {
            "auditOnly": False,
            "baselinePolicy": {"enabled": False},
            "aws": {
                "region": "eu-west-1",
                "endpoints": dict.fromkeys(("ecr", "inspector2", "kms", "signer", "sqs", "sts"), aws.url),
            },
            "log": {"level": log_level, "format": "json"},
            **(values or {}),
        }
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-gate-")
        self.port, self.metrics_port = free_ports(2)
        self.own_certificate = False
        """Whether the controller makes its certificate and fills the caBundle, as the chart's mode ``self`` has it."""
        self.process: Process | None = None

    def __enter__(self) -> Self:
        self.install()
        self.start()
        self.arm()
        return self

    def __exit__(self, *_: object) -> None:
        self.disarm()
        self.stop()
        self._folder.cleanup()

    def install(self) -> None:
        """Apply what the chart renders apart from the Deployment and the webhook configuration."""
        self.objects = chart.render(self.values)
        self.cluster.apply_definitions(chart.custom_resource_definitions())
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": chart.NAMESPACE}}
        beside = [
            one
            for kind in ("Secret", "ConfigMap", "Lease", "ImagePolicy")
            for one in chart.find_all(self.objects, kind)
        ]
        self.cluster.apply([namespace, *chart.rbac(self.objects), *beside])

    def start(self, *, environment: Mapping[str, str] | None = None) -> None:
        """Start the controller and wait until it says that it is ready."""
        folder = Path(self._folder.name)
        certificate, key = self.cluster.authority.issue_server(["127.0.0.1", "localhost"]).write(folder, "webhook")
        config = chart.controller_config(self.objects)
        config["server"] |= {"host": "127.0.0.1", "port": self.port, "metricsPort": self.metrics_port}
        config["server"]["drainSeconds"] = 1
        config["trustStores"]["cacheFolder"] = str(folder / "trust-stores")
        if self.own_certificate:
            config["certificate"]["dnsNames"] = ["localhost"]
        else:
            config["certificate"] = {"mode": "files", "certFile": str(certificate), "keyFile": str(key)}
        if client_authority := self._client_authority:
            (folder / "client-ca.pem").write_text(client_authority)
            config["server"]["clientCaFile"] = str(folder / "client-ca.pem")
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        account = chart.find(self.objects, "ServiceAccount")["metadata"]["name"]
        kubeconfig = self.cluster.token_kubeconfig(chart.NAMESPACE, account)
        arguments = [str(path) if one.endswith("config.yaml") else one for one in chart.container_args(self.objects)]
        self.process = self.cluster.run_beside(
            self._name,
            [*self.command_prefix, sys.executable, "-m", "tidegate", *arguments],
            environment=chart.container_env(self.objects)
            | self._aws.environment()
            | {"KUBECONFIG": str(kubeconfig)}
            | self._environment
            | dict(environment or {}),
        )
        self.process.wait_until(lambda: self.probe("/readyz")[0] == 200, timeout_seconds=READY_SECONDS)

    def stop(self) -> None:
        """Stop the controller as the kubelet does."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def arm(self) -> None:
        """Apply the webhook configuration and wait until the API server calls it."""
        self.arm_configuration()
        self.wait_until_called()

    def arm_configuration(self) -> None:
        """Apply the webhook configurations."""
        url = f"https://localhost:{self.port}"
        configurations = [
            chart.webhooks_by_url(self.objects, url, self.cluster.authority.certificate, kind=kind)
            for kind in chart.WEBHOOK_KINDS
            if chart.find_all(self.objects, kind)
        ]
        if self.own_certificate:
            for hook in (hook for one in configurations for hook in one["webhooks"]):
                del hook["clientConfig"]["caBundle"]
        self.cluster.apply(configurations)

    def disarm(self) -> None:
        """Remove the webhook configurations and every policy made here."""
        self.disarm_configuration()
        self.delete_policies()

    def disarm_configuration(self) -> None:
        """Remove the webhook configurations."""
        name = chart.webhook_configuration(self.objects)["metadata"]["name"]
        for kind in chart.WEBHOOK_KINDS:
            self.cluster.kubectl("delete", kind, name, "--ignore-not-found")

    def delete_policy(self, name: str) -> None:
        """Delete a policy and wait until the controller, if it runs, has let go of it."""
        before = self.metric("tidegate_policies") if self.process is not None else 0.0
        super().delete_policy(name)
        if self.process is not None:
            wait_for(lambda: self.metric("tidegate_policies") < before, what=f"policy {name} to be gone")

    def probe(self, path: str) -> tuple[int, str]:
        """Return status and body of a GET endpoint, at the port where the kubelet asks; 0 when nobody listens."""
        if self._client_authority:
            return _get(f"http://127.0.0.1:{self.metrics_port}{path}", None)
        context = ssl.create_default_context(cadata=self.cluster.authority.certificate.decode())
        if self.own_certificate:
            # As the kubelet does: probes don't verify.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return _get(f"https://127.0.0.1:{self.port}{path}", context)

    def metrics(self) -> str:
        """Return the metrics page; ask again while there is none, so that no metric is 0 because the machine is busy."""
        return wait_for(self._metrics_page, what="the metrics page")

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = [line for line in self.metrics().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def _metrics_page(self) -> str:
        status, page = _get(f"http://127.0.0.1:{self.metrics_port}/metrics", None)
        return page if status == HTTPStatus.OK else ""

    @property
    def _client_authority(self) -> str:
        authority: str = self.values.get("server", {}).get("clientCA", "")
        return authority


def _get(url: str, context: ssl.SSLContext | None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as problem:
        return 0, str(problem)
