"""Digest pinning through the real API server: what is stored is the digest that was judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import wait_for
from tests.e2e.conftest import Installation
from tests.objects import CRITICAL, ECR, GOOD, POLICY, apply, pod, pod_spec, workload

PINNING = {"digestPinning": {"enabled": True}}


@pytest.fixture(scope="module")
def session_pinning(session_installation: Installation) -> Iterator[Installation]:
    """Replace the run's controller by one that pins."""
    gate = session_installation.gate
    before = gate.values
    gate.stop()
    gate.disarm_configuration()
    gate.values = before | PINNING
    gate.install()
    gate.start()
    gate.arm()
    yield session_installation
    gate.stop()
    gate.disarm_configuration()
    gate.values = before
    gate.install()
    gate.start()
    gate.arm()


@pytest.fixture
def guarded(
    session_pinning: Installation, installation: Installation, gated_namespace: str
) -> tuple[Installation, str]:
    """Give a namespace in which the policy holds and the API server pins."""
    assert session_pinning is installation
    installation.gate.apply_policy("production", POLICY, match={"namespaces": [gated_namespace]})
    wait_for(
        lambda: "@sha256:" in tried(installation, gated_namespace, GOOD), what="the API server to call for pinning"
    )
    return installation, gated_namespace


def digest_of(installation: Installation, image: str) -> str:
    repository, _, tag = image.removeprefix(f"{ECR}/").partition(":")
    answer = installation.aws.client("ecr").describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    return str(answer["imageDetails"][0]["imageDigest"])


def tried(installation: Installation, namespace: str, image: str) -> str:
    """Return the image of a Pod that is created as a dry run, as it would be stored."""
    command = ("create", "--dry-run=server", f"--namespace={namespace}", "-f", "-", "-o", "json")
    done = installation.cluster.kubectl(*command, stdin=json.dumps(pod(image, name="try")), check=False)
    return str(json.loads(done.stdout)["spec"]["containers"][0]["image"]) if done.returncode == 0 else done.stderr


def stored(installation: Installation, namespace: str, name: str = "app") -> dict[str, Any]:
    spec: dict[str, Any] = installation.cluster.get("pod", name, "--namespace", namespace)["spec"]
    return spec


def test_a_pod_by_tag_is_stored_with_tag_and_digest_in_every_place(guarded):
    installation, namespace = guarded
    more = {
        "initContainers": [{"name": "init", "image": GOOD}],
        "volumes": [{"name": "model", "image": {"reference": GOOD}}],
    }
    admitted, text = apply(installation.cluster, namespace, pod(GOOD, spec=pod_spec(GOOD, **more)))
    assert admitted, text
    spec = stored(installation, namespace)
    pinned = f"{GOOD}@{digest_of(installation, GOOD)}"
    assert spec["containers"][0]["image"] == spec["initContainers"][0]["image"] == pinned
    assert next(one["image"]["reference"] for one in spec["volumes"] if one["name"] == "model") == pinned


def test_applying_the_same_pod_again_changes_nothing(guarded):
    installation, namespace = guarded
    apply(installation.cluster, namespace, pod(GOOD))
    before = installation.cluster.get("pod", "app", "--namespace", namespace)["metadata"]["generation"]
    admitted, text = apply(installation.cluster, namespace, pod(GOOD))
    assert admitted, text
    after = installation.cluster.get("pod", "app", "--namespace", namespace)
    assert after["metadata"]["generation"] == before
    assert after["spec"]["containers"][0]["image"].endswith(digest_of(installation, GOOD))


def test_a_deployment_keeps_its_tag_and_its_pods_are_pinned(guarded):
    installation, namespace = guarded
    cluster = installation.cluster
    admitted, text = apply(cluster, namespace, workload("Deployment", GOOD))
    assert admitted, text
    (made,) = wait_for(lambda: cluster.get("pods", "--namespace", namespace)["items"], what="the Deployment's Pod")
    assert made["spec"]["containers"][0]["image"] == f"{GOOD}@{digest_of(installation, GOOD)}"
    deployment = cluster.get("deployment", "app", "--namespace", namespace)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == GOOD
    wait_for(
        lambda: cluster.get("deployment", "app", "--namespace", namespace)["status"].get("observedGeneration") == 1,
        what="the Deployment's controller",
    )
    assert len(cluster.get("pods", "--namespace", namespace)["items"]) == 1, "the Pod is not replaced"


def test_an_ephemeral_container_is_pinned(guarded):
    installation, namespace = guarded
    apply(installation.cluster, namespace, pod(GOOD, name="target"))
    for name in ("first", "second"):
        arguments = ("--namespace", namespace, "target", "--container", name, "--quiet", "--attach=false")
        installation.cluster.kubectl("debug", *arguments, f"--image={GOOD}")
    pinned = f"{GOOD}@{digest_of(installation, GOOD)}"
    added = stored(installation, namespace, "target")["ephemeralContainers"]
    assert [one["image"] for one in added] == [pinned, pinned]


def test_what_is_refused_is_refused_by_the_name_that_the_user_wrote(guarded):
    installation, namespace = guarded
    admitted, text = apply(installation.cluster, namespace, pod(CRITICAL))
    assert not admitted
    assert f"spec.containers[0].image: {CRITICAL}\n" in text


def test_a_tag_that_can_move_is_pinned_only_where_no_policy_refuses_it_for_that(guarded):
    installation, namespace = guarded
    image = f"{ECR}/team/mutable:v1"
    assert "TagMutable" in tried(installation, namespace, image)
    installation.gate.delete_policy("production")
    installation.gate.apply_policy("lenient", POLICY, actions=("Warn",), match={"namespaces": [namespace]})
    assert tried(installation, namespace, image) == f"{image}@{digest_of(installation, image)}"


def test_what_no_policy_looks_up_is_untouched(guarded):
    installation, _ = guarded
    with installation.cluster.namespace() as free:
        assert tried(installation, free, GOOD) == GOOD


def test_without_a_resolution_the_tag_stays_and_the_policy_decides(guarded):
    installation, namespace = guarded
    image = f"{ECR}/team/does-not-exist:v1"
    installation.gate.delete_policy("production")
    installation.gate.apply_policy("lenient", POLICY, actions=("Warn",), match={"namespaces": [namespace]})
    assert tried(installation, namespace, image) == image


def test_without_the_controller_it_stops_nothing_by_itself(guarded):
    """Without the validating webhook, which refuses here while the controller is down, Pods start with their tag."""
    installation, namespace = guarded
    gate = installation.gate
    gate.stop()
    installation.cluster.kubectl("delete", "validatingwebhookconfiguration", "tidegate")
    try:
        wait_for(lambda: tried(installation, namespace, GOOD) == GOOD, what="the Pod with its tag")
    finally:
        gate.start()
        gate.arm()


def test_a_certificate_of_its_own_is_trusted_for_pinning_too(guarded):
    """The controller writes the caBundle of both configurations, with the rights that the chart gives."""
    installation, namespace = guarded
    gate = installation.gate
    gate.stop()
    gate.disarm_configuration()
    gate.own_certificate = True
    try:
        gate.arm_configuration()
        gate.start()
        wait_for(lambda: "@sha256:" in tried(installation, namespace, GOOD), what="the API server to trust the webhook")
    finally:
        gate.stop()
        gate.own_certificate = False
        gate.disarm_configuration()
        gate.start()
        gate.arm()
