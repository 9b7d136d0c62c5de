"""The whole product running for a test, the demo or a benchmark: what the chart renders, on a real API server.

    with ControlPlane() as cluster, Simulator(world) as aws, Gate(cluster, aws_environment=aws.environment(),
                                                                aws_url=aws.url) as gate:
        gate.apply_policy("production", {"tags": {"immutable": True}})
        cluster.apply(deployment, check=False)

The controller is a local process with the rights of the chart's ServiceAccount and the chart's configuration; only where
it listens, its certificate and the webhook's address (a URL) are replaced.
"""

from __future__ import annotations

import json
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from tests.chart import render as chart
from tests.cluster import ControlPlane, Process, wait_for
from tests.cluster.ports import free_ports

READY_SECONDS = 60


class Gate:
    """tidegate, installed from its chart."""

    def __init__(
        self,
        cluster: ControlPlane,
        *,
        aws_url: str,
        aws_environment: Mapping[str, str],
        values: Mapping[str, Any] | None = None,
        name: str = "controller",
        log_level: str = "info",
        command_prefix: Sequence[str] = (),
    ) -> None:
        self.cluster = cluster
        self._environment = dict(aws_environment)
        self._name = name
        self.command_prefix = tuple(command_prefix)
        self.values: dict[str, Any] = {
            "auditOnly": False,
            "baselinePolicy": {"enabled": False},
            "aws": {
                "region": "eu-west-1",
                "endpoints": dict.fromkeys(("ecr", "inspector2", "kms", "signer", "sts"), aws_url),
            },
            "log": {"level": log_level, "format": "json"},
            **(values or {}),
        }
        self._folder = tempfile.TemporaryDirectory(prefix="tidegate-gate-")
        self.port, self.metrics_port = free_ports(2)
        self.own_certificate = False
        """Whether the controller makes its certificate and fills the caBundle, as the chart's mode ``self`` has it."""
        self.process: Process | None = None
        self._policies: dict[str, None] = {}

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
        self.cluster.apply(chart.custom_resource_definitions())
        self.cluster.kubectl("wait", "--for=condition=Established", "crd/imagepolicies.tidegate.dev", "--timeout=30s")
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": chart.NAMESPACE}}
        beside = [one for kind in ("Secret", "ImagePolicy") for one in chart.find_all(self.objects, kind)]
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
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        account = chart.find(self.objects, "ServiceAccount")["metadata"]["name"]
        kubeconfig = self.cluster.token_kubeconfig(chart.NAMESPACE, account)
        arguments = [str(path) if one.endswith("config.yaml") else one for one in chart.container_args(self.objects)]
        self.process = self.cluster.run_beside(
            self._name,
            [*self.command_prefix, sys.executable, "-m", "tidegate", *arguments],
            environment=chart.container_env(self.objects)
            | self._environment
            | {"KUBECONFIG": str(kubeconfig)}
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
        self.apply_policy("arming", {"registries": [{"host": "arming.invalid"}]}, match={"namespaces": ["default"]})
        wait_for(lambda: "arming" in self.try_image("arming.example/x:1"), what="the webhook to be called")
        self.delete_policy("arming")

    def arm_configuration(self) -> None:
        """Apply the webhook configuration."""
        url = f"https://localhost:{self.port}"
        configuration = chart.webhooks_by_url(self.objects, url, self.cluster.authority.certificate)
        if self.own_certificate:
            for hook in configuration["webhooks"]:
                del hook["clientConfig"]["caBundle"]
        self.cluster.apply(configuration)

    def disarm(self) -> None:
        """Remove the webhook configuration and every policy made here."""
        name = chart.webhook_configuration(self.objects)["metadata"]["name"]
        self.cluster.kubectl("delete", "validatingwebhookconfiguration", name, "--ignore-not-found")
        self.delete_policies()

    def delete_policies(self) -> None:
        """Delete every policy that was made here."""
        for policy in list(self._policies):
            self.delete_policy(policy)

    def apply_policy(
        self,
        name: str,
        requirements: Mapping[str, Any],
        *,
        actions: tuple[str, ...] = ("Deny",),
        match: Mapping[str, Any] | None = None,
    ) -> None:
        """Apply an ImagePolicy and wait until the controller has it in force."""
        spec: dict[str, Any] = {"validationActions": list(actions), **requirements}
        if match:
            spec["match"] = dict(match)
        policy = {"apiVersion": "tidegate.dev/v1alpha1", "kind": "ImagePolicy", "metadata": {"name": name}}
        self.cluster.apply({**policy, "spec": spec})
        self._policies[name] = None
        wait_for(lambda: self._is_in_force(name), what=f"policy {name} to be in force")

    def delete_policy(self, name: str) -> None:
        """Delete a policy and wait until the controller has let go of it."""
        before = self.metric("tidegate_policies")
        self.cluster.kubectl("delete", "imagepolicy", name, "--ignore-not-found")
        self._policies.pop(name, None)
        if self.process is not None:
            wait_for(lambda: self.metric("tidegate_policies") < before, what=f"policy {name} to be gone")

    def try_image(self, image: str, *, namespace: str = "default") -> str:
        """Return what kubectl prints when a Pod with the image is created as a dry run."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "try", "namespace": namespace},
            "spec": {"containers": [{"name": "app", "image": image}]},
        }
        done = self.cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod), check=False)
        return done.stdout + done.stderr

    def probe(self, path: str) -> tuple[int, str]:
        """Return status and body of the HTTPS port's GET endpoint; 0 when nobody listens."""
        context = ssl.create_default_context(cadata=self.cluster.authority.certificate.decode())
        if self.own_certificate:
            # As the kubelet does: probes don't verify.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return _get(f"https://127.0.0.1:{self.port}{path}", context)

    def metrics(self) -> str:
        """Return the metrics page."""
        return _get(f"http://127.0.0.1:{self.metrics_port}/metrics", None)[1]

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = [line for line in self.metrics().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def _is_in_force(self, name: str) -> bool:
        policy = self.cluster.get("imagepolicy", name)
        status = policy.get("status", {})
        return bool(status.get("observedGeneration") == policy["metadata"]["generation"])


def _get(url: str, context: ssl.SSLContext | None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as problem:
        return 0, str(problem)
