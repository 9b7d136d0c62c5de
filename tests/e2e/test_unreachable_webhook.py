"""What passes while tidegate is down: everything that changes no image, and nothing that brings one in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import ENFORCING, render, webhooks_by_url
from tests.cluster import ControlPlane, wait_for
from tests.cluster.ports import free_ports
from tests.objects import apply, pod, pod_spec, workload

OLD = "registry.example.com/app:1"
NEW = "registry.example.com/app:2"
REFUSED = "failed calling webhook"
WITH_A_TEMPLATE = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"]
KINDS = ["Pod", *WITH_A_TEMPLATE, "Job", "CronJob"]


class Outage:
    """A namespace in which the API server needs an answer of a webhook that nothing serves."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        (port,) = free_ports(1)
        objects = render({**ENFORCING, "namespaces": {"enforced": [namespace]}, "webhook": {"timeoutSeconds": 3}})
        self.configuration = webhooks_by_url(objects, f"https://localhost:{port}", cluster.authority.certificate)
        self.configuration["metadata"]["name"] = namespace

    def begin(self) -> None:
        """Register the webhook and wait until the API server calls it."""
        self.cluster.apply(self.configuration)
        wait_for(lambda: REFUSED in self.apply(pod(OLD, name="probe"), "--dry-run=server"), what="the webhook's calls")

    def end(self) -> None:
        """Remove the webhook."""
        self.cluster.kubectl("delete", "validatingwebhookconfiguration", self.namespace, "--ignore-not-found")

    def apply(self, manifest: dict[str, Any], *arguments: str) -> str:
        """Apply a manifest; return all that kubectl printed."""
        return apply(self.cluster, self.namespace, manifest, *arguments)[1]

    def run(self, *arguments: str) -> str:
        """Run kubectl in the namespace; return what it wrote as an error, empty where it succeeded."""
        done = self.cluster.kubectl(*arguments, "--namespace", self.namespace, check=False)
        return "" if done.returncode == 0 else done.stderr

    def patch(self, kind: str, patch: Any, *arguments: str) -> str:
        """Patch the object of a kind; a list is a JSON patch."""
        how = "json" if isinstance(patch, list) else "merge"
        return self.run("patch", kind.lower(), "app", f"--type={how}", f"--patch={json.dumps(patch)}", *arguments)


@pytest.fixture
def outage(control_plane: ControlPlane, namespace: str) -> Iterator[Outage]:
    """Give the outage before it begins."""
    one = Outage(control_plane, namespace)
    yield one
    one.end()


def spec_path(kind: str) -> str:
    """Return the JSON pointer of the Pod spec of a kind."""
    return {"Pod": "/spec", "CronJob": "/spec/jobTemplate/spec/template/spec"}.get(kind, "/spec/template/spec")


@pytest.mark.parametrize("kind", KINDS)
def test_updates_without_a_new_image_pass_and_others_do_not(outage, kind):
    outage.apply(workload(kind, OLD, replicas=0))
    outage.begin()

    assert outage.run("label", kind.lower(), "app", "colour=blue") == ""
    assert outage.run("annotate", kind.lower(), "app", "note=blue") == ""
    assert outage.patch(kind, {"metadata": {"finalizers": ["example.com/one"]}}) == ""
    assert outage.patch(kind, {"metadata": {"finalizers": []}}) == ""
    path = spec_path(kind)
    if kind not in {"Pod", "Job"}:
        environment = [{"op": "add", "path": f"{path}/containers/0/env", "value": [{"name": "A", "value": "B"}]}]
        assert outage.patch(kind, environment) == ""
        volume = {"name": "scratch", "emptyDir": {}}
        assert outage.patch(kind, [{"op": "add", "path": f"{path}/containers/0/command", "value": ["true"]}]) == ""
        second = {"name": "second", "image": NEW}
        for field, value in (("initContainers", [second]), ("containers/-", second)):
            assert REFUSED in outage.patch(kind, [{"op": "add", "path": f"{path}/{field}", "value": value}]), field
        mounted = [volume, {"name": "model", "image": {"reference": NEW}}]
        assert REFUSED in outage.patch(kind, [{"op": "add", "path": f"{path}/volumes", "value": mounted}])
    # What a Job runs cannot be changed at all.
    if kind != "Job":
        image = [{"op": "replace", "path": f"{path}/containers/0/image", "value": NEW}]
        assert REFUSED in outage.patch(kind, image)
    assert REFUSED in outage.apply(workload(kind, OLD, name="another", replicas=0))
    assert outage.run("delete", kind.lower(), "app", "--wait=false") == ""


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"])
def test_a_workload_can_be_scaled(outage, kind):
    outage.apply(workload(kind, OLD, replicas=0))
    outage.begin()

    assert outage.run("scale", f"{kind.lower()}/app", "--replicas=2") == ""
    # Without its subresource, as GitOps tools and autoscalers of old do.
    assert outage.patch(kind, {"spec": {"replicas": 3}}) == ""


def test_the_deployment_controller_scales_its_replica_set(outage):
    outage.apply(workload("Deployment", OLD, replicas=1))

    def replica_sets() -> list[int]:
        found = outage.cluster.get("replicasets", "--namespace", outage.namespace)["items"]
        return [one["spec"]["replicas"] for one in found]

    wait_for(lambda: replica_sets() == [1], what="the ReplicaSet")
    outage.begin()

    assert outage.run("scale", "deployment/app", "--replicas=0") == ""
    wait_for(lambda: replica_sets() == [0], what="the ReplicaSet to follow")
    assert outage.run("scale", "deployment/app", "--replicas=1") == ""
    wait_for(lambda: replica_sets() == [1], what="the ReplicaSet to follow")


def test_a_rollout_is_accepted_and_paused_and_its_new_replica_set_waits(outage):
    outage.apply(workload("Deployment", OLD, replicas=0))
    outage.begin()

    assert outage.run("rollout", "pause", "deployment/app") == ""
    assert outage.run("rollout", "resume", "deployment/app") == ""
    assert outage.run("rollout", "restart", "deployment/app") == ""

    def waits() -> bool:
        events = outage.cluster.get("events", "--namespace", outage.namespace)["items"]
        return any(REFUSED in event["message"] for event in events)

    wait_for(waits, what="the new ReplicaSet to be refused")


def test_a_job_can_be_suspended(outage):
    outage.apply(workload("Job", OLD))
    outage.begin()

    assert outage.patch("Job", {"spec": {"suspend": True}}) == ""


def test_what_runs_can_be_evicted(outage):
    outage.apply(pod(OLD))
    outage.begin()
    path = f"/api/v1/namespaces/{outage.namespace}/pods/app/eviction"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "app"}}

    done = outage.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction), check=False)

    assert done.returncode == 0, done.stderr


def test_an_ephemeral_container_does_not_pass(outage):
    outage.apply(pod(OLD, name="target"))
    outage.begin()

    said = outage.run("debug", "target", "--container=probe", "--quiet", "--attach=false", f"--image={NEW}")

    assert REFUSED in said


def test_an_image_that_moves_between_lists_is_a_change(outage):
    """The same images in other places, so that a comparison of the set alone would let it pass."""
    spec = pod_spec(OLD, initContainers=[{"name": "init", "image": NEW}])
    manifest = workload("Deployment", OLD, replicas=0)
    manifest["spec"]["template"]["spec"] = spec
    outage.apply(manifest)
    outage.begin()
    swapped = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": NEW},
        {"op": "replace", "path": "/spec/template/spec/initContainers/0/image", "value": OLD},
    ]

    assert REFUSED in outage.patch("Deployment", swapped)


def test_the_largest_workloads_can_be_scaled_too(outage):
    """The API server bounds what a match condition may cost; an object of a megabyte stays within it."""
    manifest = workload("Deployment", OLD, replicas=0)
    containers = [
        {"name": f"app-{index}", "image": f"registry.example.com/{'a' * 200}:{index}"} for index in range(2000)
    ]
    manifest["spec"]["template"]["spec"] = {"containers": containers}
    assert "serverside-applied" in outage.apply(manifest, "--server-side")
    outage.begin()

    assert outage.patch("Deployment", {"spec": {"replicas": 1}}) == ""
