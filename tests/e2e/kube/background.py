"""The background role in the test's own event loop, with the rights of the chart's ServiceAccount and a simulated AWS."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.cluster import wait_for
from tests.e2e.kube.edge import Rights, aside
from tests.objects import workload
from tests.simulator import Simulator
from tests.waiting import until
from tidegate.app.background import Parts
from tidegate.app.engine import build_engine
from tidegate.app.sources import cluster_sources
from tidegate.background.leading import Leading
from tidegate.cluster.api import KubernetesApi
from tidegate.cluster.connection import load_configuration
from tidegate.settings import Settings, parse_settings

Json = dict[str, Any]


class Leader:
    """Stands where a Lease does."""

    leads = True
    gap = timedelta(0)


class LiveRole:
    """The role, with what a test asks of it and of the cluster."""

    def __init__(self, rights: Rights, settings: Settings, api: KubernetesApi) -> None:
        self.cluster = rights.cluster
        self.lease = Leader()
        engine = build_engine(settings, account_calls_per_second=settings.background.calls_per_second)
        self.watched = cluster_sources(settings, api, engine, writes_statuses=False)
        self.parts = Parts(
            self.watched,
            settings,
            namespace=rights.namespace,
            leads=lambda: self.lease.leads,
            gap=lambda: self.lease.gap,
        )
        self.leading = Leading(lambda: self.lease.leads, ready=lambda: not self.parts.unmet(), work=self.parts.work.run)

    @property
    def work(self) -> Any:
        """The leader's work."""
        return self.parts.work

    async def run(self) -> None:
        """Run everything but the Lease and kopf."""
        async with asyncio.TaskGroup() as group:
            for work in (
                self.watched.policies.run,
                *(one.run for one in self.watched.exceptions.kinds),
                self.watched.trust_stores.run,
                self.watched.namespaces.run,
                *self.watched.keeps,
                *(one.run for one in self.parts.reflectors.values()),
                self.leading.run,
            ):
                group.create_task(work())

    async def verdicts(self) -> list[Json]:
        """Return all ImageVerdicts, as the administrator reads them."""
        found = await aside(self.cluster.get, "imageverdicts")
        items: list[Json] = found["items"]
        return items

    async def verdict(self, digest: str, *, where: Callable[[Json], bool] = lambda _: True) -> Json:
        """Wait for the ImageVerdict of a digest that the condition accepts, and return it."""

        def look() -> Json:
            items = self.cluster.get("imageverdicts")["items"]
            return next((one for one in items if one["spec"]["digest"] == digest and where(one)), {})

        return await aside(wait_for, look, what=f"the ImageVerdict of {digest}")

    async def events(self, namespace: str, reason: str) -> list[Json]:
        """Return the Events of a namespace with a reason."""
        found = await aside(self.cluster.get, "events", "--namespace", namespace)
        return [one for one in found["items"] if one["reason"] == reason]

    async def apply_policy(self, name: str, spec: Mapping[str, Any]) -> None:
        """Apply an ImagePolicy and wait until it is in force here."""
        manifest = {
            "apiVersion": "tidegate.dev/v1alpha1",
            "kind": "ImagePolicy",
            "metadata": {"name": name},
            "spec": dict(spec),
        }
        before = self.watched.policies.current()
        await aside(self.cluster.apply, manifest)
        # The watches are left out here; an event would do the same.
        self.watched.policies.mark_dirty()
        await until(lambda: self.watched.policies.current() is not before, what=f"the policy {name}")

    async def deploy(self, namespace: str, image: str, *, name: str = "app", kind: str = "Deployment") -> None:
        """Apply a workload and wait for its first Pod."""
        manifest = workload(kind, image, name=name)
        manifest["metadata"]["namespace"] = namespace
        await aside(self.cluster.apply, manifest)
        await until(lambda: any(key.startswith(f"{namespace}/{name}-") for key in self.pods()), what=f"a Pod of {name}")

    def pods(self) -> list[str]:
        """Return the keys of the Pods that the role knows."""
        return list(self.parts.pods._pods)

    async def set_running(self, namespace: str, image_id: str) -> None:
        """Report the Pods of a namespace as running, as a kubelet does, with this imageID."""
        pods = (await aside(self.cluster.get, "pods", "--namespace", namespace))["items"]
        for pod in pods:
            status = {
                "name": pod["spec"]["containers"][0]["name"],
                "image": pod["spec"]["containers"][0]["image"],
                "imageID": image_id,
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": "2026-11-01T00:00:00Z"}},
            }
            patch = json.dumps({"status": {"phase": "Running", "containerStatuses": [status]}})
            arguments = ("pod", pod["metadata"]["name"], "-n", namespace, "--subresource=status", f"--patch={patch}")
            await aside(self.cluster.kubectl, "patch", *arguments)


def background_kubeconfig(rights: Rights) -> Any:
    """Return the kubeconfig of the role's ServiceAccount, once its rights are in force."""
    kubeconfig = rights.cluster.token_kubeconfig(rights.namespace, f"{rights.name}-background")
    wait_for(
        lambda: rights.cluster.kubectl("get", "imageverdicts", kubeconfig=kubeconfig, check=False).returncode == 0,
        what="the background role's rights",
    )
    return kubeconfig


@contextlib.asynccontextmanager
async def live_role(
    rights: Rights,
    aws: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    *,
    calls_per_second: float = 200.0,
    aws_settings: Mapping[str, Any] | None = None,
    background: Mapping[str, Any] | None = None,
) -> AsyncIterator[LiveRole]:
    """Run the role and wait until it works."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KUBECONFIG", str(await aside(background_kubeconfig, rights)))
    text = json.dumps(
        {
            "namespace": rights.namespace,
            "aws": {
                "region": "eu-west-1",
                "endpoints": dict.fromkeys(("ecr", "inspector2", "kms", "signer", "sqs", "sts"), aws.url),
                **(aws_settings or {}),
            },
            "background": {
                "callsPerSecond": calls_per_second,
                "exemptNamespaces": ["kube-system"],
                **(background or {}),
            },
            "imageVerdicts": {"changeFeed": f"{rights.name}-change-feed"},
        }
    )
    api = KubernetesApi(load_configuration())
    role = LiveRole(rights, parse_settings(text), api)
    task = asyncio.create_task(role.run())
    try:
        await until(lambda: role.leading.is_working or task.done(), what="a role that works")
        yield role
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        role.watched.close()
