"""What the API server refuses by itself, without any replica of tidegate: the chart's ValidatingAdmissionPolicy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.render import ENFORCING, find_all, render
from tests.cluster import ControlPlane, wait_for
from tests.objects import apply, pod, pod_spec, workload

REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
DIGEST = "sha256:" + "a" * 64
GOOD = f"{REGISTRY}/team/app:v1@{DIGEST}"
FOREIGN = f"ghcr.io/team/app:v1@{DIGEST}"
TAG = f"{REGISTRY}/team/app:v1"
POLICY = {"allowedPrefixes": [f"{REGISTRY}/"], "digestRequired": True}
KINDS = ["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob"]
NOT_ALLOWED = f"Use an image whose name starts with one of: {REGISTRY}/"
NO_DIGEST = "An image is not named by digest. Append its digest"
NAME = "tidegate.tidegate.dev"
BUILT_IN = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


class Policies:
    """The chart's policy and binding in a cluster."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def install(self, **values: Any) -> None:
        objects = render({**ENFORCING, "apiServerPolicy": POLICY, **values})
        self.cluster.apply([one for kind in BUILT_IN for one in find_all(objects, kind, NAME)])
        wait_for(lambda: NOT_ALLOWED in self.try_image(FOREIGN)[1], what="the policy to be in force")

    def remove(self) -> None:
        for kind in BUILT_IN:
            self.cluster.kubectl("delete", kind.lower(), NAME, "--ignore-not-found")
        wait_for(lambda: NOT_ALLOWED not in self.try_image(FOREIGN)[1], what="the policy to be out of force")

    def try_image(self, image: str) -> tuple[bool, str]:
        return self.apply(pod(image, name="probe"), "--dry-run=server")

    def apply(self, manifest: dict[str, Any], *arguments: str) -> tuple[bool, str]:
        return apply(self.cluster, self.namespace, manifest, *arguments)


@pytest.fixture
def policies(control_plane: ControlPlane, namespace: str) -> Iterator[Policies]:
    one = Policies(control_plane, namespace)
    yield one
    one.remove()


def test_every_kind_is_refused_for_another_registry_and_without_a_digest(policies):
    policies.install()
    for kind in KINDS:
        assert policies.apply(workload(kind, GOOD, replicas=0))[0], kind
        admitted, text = policies.apply(workload(kind, FOREIGN, name="other", replicas=0))
        assert (admitted, NOT_ALLOWED in text) == (False, True), kind
        admitted, text = policies.apply(workload(kind, TAG, name="other", replicas=0))
        assert (admitted, NO_DIGEST in text) == (False, True), kind


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(pod_spec(GOOD, initContainers=[{"name": "init", "image": FOREIGN}]), id="init-container"),
        pytest.param(pod_spec(GOOD, volumes=[{"name": "a", "image": {"reference": FOREIGN}}]), id="image-volume"),
        pytest.param({"containers": [{"name": "a", "image": GOOD}, {"name": "b", "image": FOREIGN}]}, id="second"),
    ],
)
def test_every_place_of_a_pod_counts(policies, spec):
    policies.install()
    assert policies.apply(pod(GOOD, spec=pod_spec(GOOD, volumes=[{"name": "a", "emptyDir": {}}])))[0]
    admitted, text = policies.apply(pod(GOOD, name="other", spec=spec))
    assert (admitted, NOT_ALLOWED in text) == (False, True)


def test_an_ephemeral_container_counts(policies):
    policies.install()
    policies.apply(pod(GOOD, name="target"))
    arguments = ("debug", "--namespace", policies.namespace, "target", "--container=probe", "--quiet", "--attach=false")
    refused = policies.cluster.kubectl(*arguments, f"--image={FOREIGN}", check=False)
    assert NOT_ALLOWED in refused.stderr
    assert policies.cluster.kubectl(*arguments, f"--image={GOOD}", check=False).returncode == 0


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(f"{REGISTRY}.example.com/team/app@{DIGEST}", id="a host that begins with the registry"),
        pytest.param(f"evil.example.com/{REGISTRY}/app@{DIGEST}", id="a path with the registry"),
        pytest.param(f"{REGISTRY}:443/team/app@{DIGEST}", id="with a port"),
        pytest.param(f" {REGISTRY}/team/app@{DIGEST}", id="behind a space"),
        pytest.param(f"{REGISTRY}/team/app@{DIGEST}\n", id="before a line break"),
        pytest.param(f"{REGISTRY}/team/app@sha256:{'a' * 63}", id="a short digest"),
        pytest.param(f"{REGISTRY}/team/app@{DIGEST}@{DIGEST[:-1]}b", id="two digests"),
        pytest.param(f"{REGISTRY}/team/app@sha512:{'a' * 128}", id="another algorithm"),
    ],
)
def test_no_other_image_looks_like_an_allowed_one(policies, image):
    policies.install()
    assert policies.try_image(GOOD)[0]
    assert not policies.try_image(image)[0]


def test_an_update_of_what_ran_before_passes(policies):
    policies.apply(workload("Deployment", FOREIGN, replicas=0))
    policies.install()
    cluster, name = policies.cluster, ("--namespace", policies.namespace, "deployment/app")
    cluster.kubectl("scale", *name, "--replicas=1")
    cluster.kubectl("label", *name, "colour=blue")
    assert cluster.kubectl("set", "image", *name, f"app={FOREIGN}x", check=False).returncode != 0


def test_in_audit_mode_it_warns(policies):
    policies.install(auditOnly=True)
    admitted, text = policies.try_image(FOREIGN)
    assert (admitted, NOT_ALLOWED in text) == (True, True)


def test_exempt_namespaces_are_exempt(policies):
    policies.install()
    assert policies.apply(pod(FOREIGN), "--dry-run=server")[0] is False
    assert apply(policies.cluster, "kube-system", pod(FOREIGN), "--dry-run=server")[0]
