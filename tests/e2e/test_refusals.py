"""What people read: each refusal through the real API server and the real kubectl."""

from typing import Any, cast

import pytest
from kubernetes import client, config

from tests.cluster import wait_for
from tests.e2e.conftest import Installation
from tests.objects import CRITICAL, ECR, GOOD, POLICY, apply, pod, pod_spec, workload

KINDS = {
    "Pod": "spec.containers[0].image",
    "Deployment": "spec.template.spec.containers[0].image",
    "ReplicaSet": "spec.template.spec.containers[0].image",
    "StatefulSet": "spec.template.spec.containers[0].image",
    "DaemonSet": "spec.template.spec.containers[0].image",
    "Job": "spec.template.spec.containers[0].image",
    "CronJob": "spec.jobTemplate.spec.template.spec.containers[0].image",
    "ReplicationController": "spec.template.spec.containers[0].image",
}


@pytest.fixture
def guarded(installation: Installation, gated_namespace: str) -> tuple[Installation, str]:
    """Give a namespace in which the policy holds."""
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})
    return installation, gated_namespace


def test_the_refusal_names_package_and_versions(guarded):
    installation, namespace = guarded

    _, text = apply(installation.cluster, namespace, workload("Deployment", CRITICAL))

    assert "CVE-2023-38545 CRITICAL in curl 7.88.1-10, fixed in 7.88.1-10+deb12u4" in text
    assert "2 CRITICAL (allowed 0)" in text


@pytest.mark.parametrize(("kind", "path"), KINDS.items())
def test_every_kind_is_refused_at_itself_with_the_field(guarded, kind, path):
    installation, namespace = guarded

    admitted, text = apply(installation.cluster, namespace, workload(kind, CRITICAL))

    assert not admitted
    assert f"{path}: {CRITICAL}" in text


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"])
def test_a_workload_without_replicas_is_judged_too(guarded, kind):
    installation, namespace = guarded

    assert not apply(installation.cluster, namespace, workload(kind, CRITICAL, replicas=0))[0]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        pytest.param(
            pod_spec(GOOD, initContainers=[{"name": "init", "image": CRITICAL}]),
            "spec.initContainers[0].image",
            id="init-container",
        ),
        pytest.param(
            pod_spec(GOOD, volumes=[{"name": "model", "image": {"reference": CRITICAL}}]),
            "spec.volumes[0].image.reference",
            id="image-volume",
        ),
        pytest.param(
            {"containers": [{"name": "a", "image": GOOD}, {"name": "b", "image": CRITICAL}]},
            "spec.containers[1].image",
            id="second-container",
        ),
    ],
)
def test_every_place_of_a_pod_is_judged(guarded, spec, path):
    installation, namespace = guarded

    admitted, text = apply(installation.cluster, namespace, pod(GOOD, spec=spec))

    assert not admitted
    assert path in text


def test_an_ephemeral_container_is_judged(guarded):
    installation, namespace = guarded
    cluster = installation.cluster
    apply(cluster, namespace, pod(GOOD, name="target"))

    arguments = ("debug", "--namespace", namespace, "target", "--container", "probe", "--quiet", "--attach=false")
    refused = cluster.kubectl(*arguments, f"--image={CRITICAL}", check=False)
    admitted = cluster.kubectl(*arguments, f"--image={GOOD}", check=False)

    assert "spec.ephemeralContainers[0].image" in refused.stderr
    assert admitted.returncode == 0, admitted.stderr


def test_a_pod_of_a_controller_is_refused_in_the_replica_sets_event(installation, gated_namespace):
    cluster = installation.cluster
    apply(cluster, gated_namespace, workload("Deployment", CRITICAL, replicas=0))
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})

    cluster.kubectl("scale", "--namespace", gated_namespace, "deployment/app", "--replicas=1")

    events = wait_for(
        lambda: [
            event["message"]
            for event in cluster.get("events", "--namespace", gated_namespace)["items"]
            if event["involvedObject"]["kind"] == "ReplicaSet" and "VulnerabilitiesFound" in event["message"]
        ],
        what="the ReplicaSet's event",
    )
    assert "CVE-2023-38545" in events[0]


def test_an_update_without_a_new_image_passes_while_aws_is_down(installation, gated_namespace):
    cluster = installation.cluster
    image = f"{ECR}/team/unscanned:v1"
    apply(cluster, gated_namespace, workload("Deployment", image, replicas=0))
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})
    installation.aws.inject("down")
    name = ("--namespace", gated_namespace, "deployment/app")

    cluster.kubectl("label", *name, "colour=blue")
    cluster.kubectl("patch", *name, "--type=merge", '-p={"spec":{"minReadySeconds":7}}')
    changed = cluster.kubectl("set", "image", *name, f"app={ECR}/team/unscanned:v2", check=False)

    assert "CouldNotCheck" in changed.stderr


def test_dry_run_is_judged(guarded):
    installation, namespace = guarded

    admitted, text = apply(installation.cluster, namespace, pod(CRITICAL), "--dry-run=server")

    assert not admitted
    assert "VulnerabilitiesFound" in text


def test_a_client_library_reads_403_with_the_message(guarded):
    installation, namespace = guarded
    api = client.CoreV1Api(config.new_client_from_config(str(installation.cluster.admin_kubeconfig)))

    with pytest.raises(client.ApiException) as caught:
        api.create_namespaced_pod(namespace, cast("Any", pod(CRITICAL)))

    assert caught.value.status == 403
    assert "VulnerabilitiesFound" in (caught.value.body or "")


def test_policies_are_anded(guarded):
    installation, namespace = guarded
    installation.gate.apply_policy("digests", {"tags": {"digestRequired": True}}, match={"namespaces": [namespace]})

    admitted, text = apply(installation.cluster, namespace, pod(GOOD))

    assert not admitted
    assert "DigestRequired" in text
    assert "[policy digests]" in text
    assert "[policy production]" not in text
