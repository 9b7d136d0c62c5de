"""ImageVerdicts in a cluster: what they show, who may write them, and what the controller decides by them."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.chart.render import NAMESPACE, find_all, render
from tests.cluster import ControlPlane, wait_for
from tests.e2e.conftest import Installation
from tests.integration.gather.gate import Gate
from tests.objects import CRITICAL, ECR, GOOD, POLICY, workload
from tests.stored_verdicts import stored_verdict

UNKNOWN = f"{ECR}/team/unscanned:v1"
WRITER = f"system:serviceaccount:{NAMESPACE}:tidegate-background"
VERDICTS = "tidegate-verdicts.tidegate.dev"
BUILT_IN = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
GROUP = {"apiGroups": ["tidegate.dev"], "resources": ["imageverdicts"], "verbs": ["*"]}


@pytest.fixture
def verdicts(installation: Installation) -> Iterator[Installation]:
    """Give the installation without ImageVerdicts, and take away those that the test made."""
    yield installation
    installation.cluster.kubectl("delete", "imageverdicts", "--all")
    installation.cluster.kubectl("delete", "configmap", "-n", NAMESPACE, "tidegate-change-feed", "--ignore-not-found")


def made(installation: Installation, text: str, *, old: timedelta = timedelta(0), **more: Any) -> dict[str, Any]:
    """Return the object for an image, as the background role would have written it some time ago."""

    async def look_up() -> dict[str, Any]:
        gate = Gate(installation.aws, POLICY)
        try:
            return await stored_verdict(gate, text, observed_at=gate.clock.now() - old, **more)
        finally:
            gate.engine.close()

    with pytest.MonkeyPatch.context() as environment:
        for name, value in installation.aws.environment().items():
            if name != "AWS_ENDPOINT_URL":
                environment.setenv(name, value)
        return asyncio.run(look_up())


def write(cluster: ControlPlane, *objects: dict[str, Any]) -> None:
    cluster.apply(list(objects))


def restart(installation: Installation) -> None:
    """Start the controller anew, while AWS cannot be reached."""
    installation.aws.inject("down")
    installation.gate.stop()
    installation.gate.start()


def test_a_restarted_controller_decides_about_known_images_in_an_aws_outage(verdicts, gated_namespace):
    gate, cluster = verdicts.gate, verdicts.cluster
    gate.apply_policy("outage", POLICY, match={"namespaces": [gated_namespace]})
    old = timedelta(minutes=20)
    write(cluster, made(verdicts, GOOD, old=old), made(verdicts, CRITICAL, old=old))
    restart(verdicts)
    good = gate.try_image(GOOD, namespace=gated_namespace)
    assert "created" in good
    assert re.search(r"judged by evidence 2\d min old: AWS could not be reached", good)
    assert "VulnerabilitiesFound" in gate.try_image(CRITICAL, namespace=gated_namespace)
    assert "could not check: AWS could not be reached" in gate.try_image(UNKNOWN, namespace=gated_namespace)
    assert gate.metric("tidegate_image_verdicts") == 2


def test_evidence_counts_within_max_stale_and_longer_where_its_registry_was_followed(verdicts, gated_namespace):
    gate, cluster = verdicts.gate, verdicts.cluster
    gate.apply_policy(
        "outage", {"vulnerabilities": {"maxCounts": {"CRITICAL": 0}}}, match={"namespaces": [gated_namespace]}
    )
    obj = made(verdicts, GOOD, old=timedelta(hours=5))
    write(cluster, obj)
    image = f"{ECR}/team/good@{obj['spec']['digest']}"
    restart(verdicts)
    assert "EvidenceTooOld" in gate.try_image(image, namespace=gated_namespace)
    observed = obj["status"]["evidence"]["observedAt"]
    now = obj["status"]["writtenAt"]
    state = json.dumps({ECR: {"since": observed, "confirmedAt": now, "cursor": now}})
    feed = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "tidegate-change-feed", "namespace": NAMESPACE},
    }
    cluster.apply(feed | {"data": {"state": state}})
    restart(verdicts)
    wait_for(lambda: "created" in gate.try_image(image, namespace=gated_namespace), what="the change feed to be read")


def test_a_newer_object_with_a_bad_scan_makes_the_next_request_ask_aws(verdicts, gated_namespace):
    gate, aws = verdicts.gate, verdicts.aws
    gate.apply_policy("fresh", POLICY, match={"namespaces": [gated_namespace]})
    name = "team/fresh"
    aws.world.add_image(name, "v1", pushed_at="-10d")
    image = f"{ECR}/{name}:v1"
    assert "created" in gate.try_image(image, namespace=gated_namespace)
    aws.world.add_finding(name, "v1", severity="CRITICAL")
    assert "created" in gate.try_image(image, namespace=gated_namespace)
    write(verdicts.cluster, made(verdicts, image))
    wait_for(
        lambda: "VulnerabilitiesFound" in gate.try_image(image, namespace=gated_namespace),
        what="a refusal by the new finding",
        timeout_seconds=10,
    )


def test_an_image_that_runs_is_admitted_again_for_a_time_although_a_new_finding_refuses_it(verdicts, gated_namespace):
    """As when a node is replaced or a Deployment scaled: its Pods are created again. Only where it runs, and not for ever."""
    gate, aws, cluster = verdicts.gate, verdicts.aws, verdicts.cluster
    name = "team/running"
    aws.world.add_image(name, "v1", pushed_at="-10d")
    image = f"{ECR}/{name}:v1"
    aws.world.add_finding(name, "v1", severity="CRITICAL", first_observed_at="-2h")
    since = Gate(aws, POLICY).clock.now() - timedelta(days=1)
    write(cluster, made(verdicts, image, namespaces={gated_namespace: since}))
    wait_for(lambda: gate.metric("tidegate_image_verdicts") == 1, what="the object")

    def with_grace(spec: dict[str, Any] | None) -> None:
        rules = POLICY["vulnerabilities"] | ({"runningImages": spec} if spec else {})
        gate.apply_policy("grace", POLICY | {"vulnerabilities": rules})

    with_grace(None)
    assert "VulnerabilitiesFound" in gate.try_image(image, namespace=gated_namespace)
    with_grace({"for": "72h"})
    admitted = gate.try_image(image, namespace=gated_namespace)
    assert "created" in admitted
    assert "younger than the Pods that run this image in the namespace" in admitted
    assert re.search(r"counts from \d{4}-\d\d-\d\d \d\d:\d\d UTC", admitted)
    assert "VulnerabilitiesFound" in gate.try_image(image, namespace="default")
    with_grace({"for": "1h"})
    assert "VulnerabilitiesFound" in gate.try_image(image, namespace=gated_namespace)


def test_a_new_finding_stops_a_scale_out_without_grace_and_does_not_within_it(verdicts, gated_namespace):
    """A Deployment whose image was clean; the Pods are those of the real ReplicaSet controller."""
    gate, aws, cluster = verdicts.gate, verdicts.aws, verdicts.cluster
    where, name = ("--namespace", gated_namespace), "team/scaled"
    aws.world.add_image(name, "v1", pushed_at="-10d")
    image = f"{ECR}/{name}:v1"

    def rules(**grace: Any) -> None:
        found = POLICY["vulnerabilities"] | ({"runningImages": grace} if grace else {})
        gate.apply_policy("scaled", POLICY | {"vulnerabilities": found}, match={"namespaces": [gated_namespace]})

    def pods() -> int:
        return len(cluster.get(*where, "pods")["items"])

    def is_refused() -> bool:
        (replica_set,) = cluster.get(*where, "replicasets")["items"]
        conditions = {one["type"]: one for one in replica_set["status"].get("conditions", ())}
        return "VulnerabilitiesFound" in conditions.get("ReplicaFailure", {}).get("message", "")

    rules()
    cluster.apply(workload("Deployment", image, replicas=1), *where)
    wait_for(lambda: pods() == 1, what="the first Pod")
    aws.world.add_finding(name, "v1", severity="CRITICAL", first_observed_at="-2h")
    since = Gate(aws, POLICY).clock.now() - timedelta(days=1)
    write(cluster, made(verdicts, image, namespaces={gated_namespace: since}))
    wait_for(lambda: gate.metric("tidegate_image_verdicts") == 1, what="the object")
    cluster.kubectl(*where, "scale", "deployment/app", "--replicas=2")
    wait_for(is_refused, what="the refusal of a second Pod")
    assert pods() == 1
    rules(**{"for": "72h"})
    cluster.kubectl(*where, "scale", "deployment/app", "--replicas=3")
    wait_for(lambda: pods() == 3, what="three Pods", timeout_seconds=60)
    rules(**{"for": "1h"})
    cluster.kubectl(*where, "scale", "deployment/app", "--replicas=4")
    wait_for(is_refused, what="the refusal of a fourth Pod")
    assert pods() == 3


def test_invalid_objects_are_counted_and_not_used(verdicts, gated_namespace):
    """Hand-edited, of another version, and under the name of another image."""
    gate, cluster = verdicts.gate, verdicts.cluster
    gate.apply_policy("outage", POLICY, match={"namespaces": [gated_namespace]})
    good = made(verdicts, GOOD)
    edited, renamed = copy.deepcopy(good), copy.deepcopy(good)
    edited["status"]["evidence"]["data"] = "bm90aGluZw=="
    renamed["metadata"]["name"] = "another-name"
    write(cluster, edited, renamed)
    wait_for(lambda: gate.metric("tidegate_image_verdicts_invalid") == 2, what="two invalid objects")
    restart(verdicts)
    wait_for(lambda: gate.metric("tidegate_image_verdicts_invalid") == 2, what="two invalid objects")
    assert "could not check" in gate.try_image(GOOD, namespace=gated_namespace)
    write(cluster, good)
    cluster.kubectl("delete", "imageverdict", "another-name")
    wait_for(lambda: gate.metric("tidegate_image_verdicts_invalid") == 0, what="no invalid object")
    assert "created" in gate.try_image(GOOD, namespace=gated_namespace)


def test_the_controller_lives_without_the_crd(verdicts):
    """Deleted while it runs, and made again."""
    gate, cluster = verdicts.gate, verdicts.cluster
    definition = cluster.get("crd", "imageverdicts.tidegate.dev")
    write(cluster, made(verdicts, GOOD))
    wait_for(lambda: gate.metric("tidegate_image_verdicts") == 1, what="an object")
    cluster.kubectl("delete", "crd", "imageverdicts.tidegate.dev")
    try:
        gate.stop()
        gate.start()
        assert gate.metric("tidegate_image_verdicts") == 0
    finally:
        cluster.apply_definitions(
            [
                {key: definition[key] for key in ("apiVersion", "kind", "spec")}
                | {"metadata": {"name": "imageverdicts.tidegate.dev"}}
            ]
        )
    write(cluster, made(verdicts, GOOD))
    wait_for(lambda: gate.metric("tidegate_image_verdicts") == 1, what="an object", timeout_seconds=60)


def test_the_columns_say_what_runs_that_should_not(verdicts):
    cluster = verdicts.cluster
    now = Gate(verdicts.aws, POLICY).clock.now()
    where = dict.fromkeys(("shop", "blog"), now)
    write(cluster, made(verdicts, GOOD, namespaces=where), made(verdicts, CRITICAL, namespaces=where))
    header, *rows = cluster.kubectl("get", "iv").stdout.splitlines()
    assert header.split() == ["NAME", "REPOSITORY", "OUTCOME", "REFUSED", "REASON", "PODS", "NAMESPACES", "SINCE"]
    (bad,) = (row for row in rows if "team/critical" in row)
    assert bad.split()[2:8] == ["Fail", "true", "VulnerabilitiesFound", "2", "blog,", "shop"]
    (refused,) = cluster.kubectl("get", "iv", "-l", "tidegate.dev/refused=true", "--no-headers").stdout.splitlines()
    assert "team/critical" in refused
    wide = cluster.kubectl("get", "iv", "-o", "wide", "-l", "tidegate.dev/refused=true").stdout
    assert "sha256:" in wide
    assert "CVE-2023-38545" in wide


def test_the_image_of_an_object_cannot_be_changed(verdicts):
    obj = made(verdicts, GOOD)
    write(verdicts.cluster, obj)
    obj["spec"]["digest"] = made(verdicts, CRITICAL)["spec"]["digest"]
    done = verdicts.cluster.apply(obj, check=False)
    assert "expected the same image" in done.stderr


@pytest.fixture
def guarded(verdicts: Installation) -> Iterator[Installation]:
    """Give the installation with the chart's policy about ImageVerdicts in force, and a user with every right on them."""
    cluster = verdicts.cluster
    cluster.apply([one for kind in BUILT_IN for one in find_all(render(), kind, VERDICTS)])
    metadata = {"metadata": {"name": "verdict-writers"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", **metadata, "rules": [GROUP]}
    subjects = [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"} for name in ("mallory", WRITER)]
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", **metadata}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "verdict-writers"}
    cluster.apply([role, binding | {"subjects": subjects, "roleRef": reference}])
    probe = made(verdicts, GOOD)
    try:
        is_refused = ("mallory", probe, "--dry-run=server")
        wait_for(lambda: "Only tidegate" in attempt(cluster, *is_refused), what="the policy to be in force")
        yield verdicts
    finally:
        for kind in (*BUILT_IN, "ClusterRole", "ClusterRoleBinding"):
            name = VERDICTS if kind in BUILT_IN else "verdict-writers"
            cluster.kubectl("delete", kind.lower(), name, "--ignore-not-found")
        wait_for(
            lambda: cluster.kubectl("delete", "imageverdicts", "--all", check=False).returncode == 0, what="their end"
        )


def attempt(cluster: ControlPlane, user: str, obj: dict[str, Any], *arguments: str) -> str:
    """Create an object as a user; return what kubectl says."""
    done = cluster.kubectl("create", f"--as={user}", "-f", "-", *arguments, stdin=json.dumps(obj), check=False)
    return done.stderr + done.stdout


def test_only_the_background_role_may_write_them(guarded):
    """A user with every right on them in RBAC, and an administrator of the cluster, are refused."""
    cluster, obj = guarded.cluster, made(guarded, GOOD)
    name, message = obj["metadata"]["name"], "Only tidegate's background role may write ImageVerdicts"
    assert cluster.kubectl("auth", "can-i", "update", "imageverdicts", "--as=mallory").stdout.strip() == "yes"
    assert message in attempt(cluster, "mallory", obj)
    assert message in cluster.kubectl("create", "-f", "-", stdin=json.dumps(obj), check=False).stderr
    assert "created" in attempt(cluster, WRITER, obj)
    patch = json.dumps({"status": {"refused": True}})
    for user in ("mallory", "system:serviceaccount:other:tidegate-background"):
        edit = ("patch", "imageverdict", name, "--type=merge", f"--patch={patch}", f"--as={user}")
        assert "orbidden" in cluster.kubectl(*edit, check=False).stderr
    assert message in cluster.kubectl("delete", "imageverdict", name, "--as=mallory", check=False).stderr
    collection = "--raw=/apis/tidegate.dev/v1alpha1/imageverdicts"
    for change in (("delete", collection), ("apply", "--server-side", "--force-conflicts", "-f", "-")):
        done = cluster.kubectl(*change, "--as=mallory", stdin=json.dumps(obj), check=False)
        assert message in done.stderr
    assert message in cluster.kubectl("label", "imageverdict", name, "tidegate.dev/refused-", check=False).stderr
    assert cluster.kubectl("delete", "imageverdict", name, f"--as={WRITER}").returncode == 0
